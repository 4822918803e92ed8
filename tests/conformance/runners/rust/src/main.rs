//! The runner of the Rust client; `tests/conformance/PROTOCOL.md` says what it is for.

mod answer;
mod command;
mod log;
mod objects;
mod offers;
mod perform;
mod request;

use std::{
    collections::HashMap,
    io::{self, BufRead, Write},
    process, thread,
    time::Duration,
};

use serde_json::{Value, json};
use tokio::{
    runtime, select,
    sync::{mpsc, oneshot},
    task::LocalSet,
    time::timeout,
};

use crate::{answer::Failure, objects::Objects, request::Request};

fn main() -> io::Result<()> {
    log::begin();
    let (sender, lines) = mpsc::unbounded_channel();
    thread::spawn(move || {
        for line in io::stdin().lock().lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
        process::exit(0); // whatever is under way
    });
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    LocalSet::new().block_on(&runtime, serve(lines));
    Ok(())
}

async fn serve(mut lines: mpsc::UnboundedReceiver<String>) {
    let objects = Objects::new();
    let mut cancels: HashMap<u64, oneshot::Sender<()>> = HashMap::new();
    while let Some(line) = lines.recv().await {
        let request = match Request::parse(&line) {
            Ok(request) => request,
            Err(problem) => {
                eprintln!("runner: {problem}: {line}");
                continue;
            }
        };
        if let Some(cancelled) = request.cancels() {
            // Nobody is there to take it if that request is done.
            cancels
                .remove(&cancelled)
                .and_then(|cancel| cancel.send(()).ok());
            say(request.id, Ok(json!({})));
            continue;
        }
        let (cancel, cancelled) = oneshot::channel();
        cancels.insert(request.id, cancel);
        let objects = objects.clone();
        tokio::task::spawn_local(async move {
            let id = request.id;
            let result = select! {
                result = in_time(&objects, &request) => result,
                // The library's own way: the future is dropped.
                Ok(()) = cancelled => Err(Failure::Cancelled),
            };
            say(id, result);
        });
    }
}

async fn in_time(objects: &Objects, request: &Request) -> Result<Value, Failure> {
    let performed = Box::pin(perform::perform(objects, request));
    match request.number("deadline_ms")? {
        None => performed.await,
        Some(limit) => timeout(Duration::from_millis(limit), performed).await?,
    }
}

fn say(id: u64, result: Result<Value, Failure>) {
    let answer = match result {
        Ok(ok) => json!({"id": id, "ok": ok}),
        Err(failure) => json!({"id": id, "error": failure.to_json()}),
    };
    let mut stdout = io::stdout().lock();
    if writeln!(stdout, "{answer}")
        .and_then(|()| stdout.flush())
        .is_err()
    {
        process::exit(1); // the suite is gone
    }
}
