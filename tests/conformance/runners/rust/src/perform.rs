//! From requests to calls of the library.

use std::{rc::Rc, time::SystemTime};

use hcsd_client::{
    ALL_SYSTEMS, Client, Completed, Process, Retry, ScopedProcess,
    v1::{
        EventBookmark, EventSnapshot, OutputStream, TerminateScope, WatchEventsRequest,
        WatchEventsResponse, event::Event, watch_events_response::Item,
    },
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::sync::Mutex;

use crate::{
    answer::{Failure, exit_json},
    command::command,
    log,
    objects::{Held, Objects, hex},
    offers,
    request::Request,
};

type Answer = Result<Value, Failure>;

pub async fn perform(objects: &Objects, request: &Request) -> Answer {
    match request.what.as_str() {
        "connect" => {
            objects.clients.add(request, connect(request).await?)?;
        }
        "offers" => return Ok(offers::features()),
        "log" => {
            let client = objects.clients.get(request)?;
            return Ok(json!({"lines": log::lines(&client.address().to_string())}));
        }
        "disconnect" => objects.clients.get(request)?.close(),
        "create" => {
            let process = objects
                .clients
                .get(request)?
                .create(command(request)?)
                .await?;
            return hold(objects, request, process, None);
        }
        "run" => {
            let scope = objects.clients.get(request)?.run(command(request)?).await?;
            return hold(objects, request, scope.clone(), Some(scope));
        }
        "exec" => {
            let mut command = command(request)?.stdin_bytes(request.data()?);
            if let Some(count) = request.number("max_output_bytes")? {
                command = command.max_output_bytes(count);
            }
            let mut done = objects.clients.get(request)?.exec(command).await?;
            if request.flag("check") {
                done = done.check()?;
            }
            return Ok(completed_json(&done));
        }
        "open" => {
            let process = objects
                .clients
                .get(request)?
                .open(request.needed("name")?)
                .await?;
            return hold(objects, request, process, None);
        }
        "list" => {
            let parent = request.text("parent").unwrap_or(ALL_SYSTEMS);
            let found = objects.clients.get(request)?.list_processes(parent).await?;
            let names: Vec<String> = found.into_iter().map(|process| process.name).collect();
            return Ok(json!({"names": names}));
        }
        "watch" => {
            let events = objects
                .clients
                .get(request)?
                .watch_events(WatchEventsRequest {
                    parent: request.text("parent").unwrap_or_default().to_owned(),
                    after_revision: request.number("after_revision")?,
                    incarnation: request.text("incarnation").unwrap_or_default().to_owned(),
                    send_snapshot: request.flag("snapshot"),
                    ..WatchEventsRequest::default()
                });
            objects.watches.add(request, Rc::new(Mutex::new(events)))?;
        }
        "next" => {
            let watch = objects.watches.get(request)?;
            let message = watch.lock().await.message().await?;
            return Ok(message_json(&message.unwrap_or_default()));
        }
        "unwatch" => drop(objects.watches.take(request)?),
        _ => return with_process(&*objects.processes.get(request)?, request).await,
    }
    Ok(json!({}))
}

async fn with_process(held: &Held, request: &Request) -> Answer {
    let process = &held.process;
    match request.what.as_str() {
        "leave" => {
            let scope = held.scope.borrow_mut().take();
            scope.ok_or_else(|| request.lacks("process"))?.leave().await;
        }
        "get" => {
            let now = process.get().await?;
            let stdin_offset = now.stdin.map_or(0, |stdin| stdin.end_offset);
            return Ok(json!({"name": now.name, "state": now.state, "stdin_offset": stdin_offset}));
        }
        "read" => {
            let mut reading = held.output(request.text("stream")).lock().await;
            return Ok(reading.read(request.number("until")?).await?);
        }
        "write" => process.stdin().write(&request.data()?).await?,
        "committed" => return Ok(json!({"offset": process.stdin().committed().await?})),
        "close_stdin" => process.stdin().close().await?,
        "communicate" => {
            return Ok(completed_json(
                &process.communicate(&request.data()?).await?,
            ));
        }
        "lines" => return lines(process, request).await,
        "wait" => return Ok(json!({"exit": exit_json(&process.wait().await?)})),
        "signal" => {
            let answer = match request.text("signal") {
                Some(name) => process.signal(name).await?,
                None => process.signal(request.signal_number()?).await?,
            };
            return Ok(json!({"delivery": answer.delivery}));
        }
        "terminate" => {
            let grace = request.duration("grace_ms")?.unwrap_or_default();
            let ended = match scope(request)? {
                Some(scope) => process.terminate_scope(scope, grace).await?,
                None => process.terminate(grace).await?,
            };
            return Ok(json!({
                "scope_applied": ended.scope_applied,
                "descendants_killed": ended.descendants_killed,
            }));
        }
        "resize" => {
            let size = |name| request.number(name)?.ok_or_else(|| request.lacks(name));
            process.resize(size("columns")?, size("rows")?).await?;
        }
        "delete" => {
            let deleted = match scope(request)? {
                Some(scope) => process.delete_scope(scope).await?,
                None => process.delete(request.flag("force")).await?,
            };
            return Ok(json!({
                "scope_applied": deleted.scope_applied,
                "descendants_killed": deleted.descendants_killed,
            }));
        }
        unknown => return Err(Failure::Unsupported(format!("no idea how to '{unknown}'"))),
    }
    Ok(json!({}))
}

async fn lines(process: &Process, request: &Request) -> Answer {
    let until: Option<usize> = request.number("until")?;
    let mut lines = process.lines();
    if let Some(count) = request.number("last")? {
        lines = lines.last(count);
    }
    if let Some(time) = request.duration("since")? {
        lines = lines.since(SystemTime::UNIX_EPOCH + time);
    }
    let (mut found, mut times) = (Vec::new(), Vec::new());
    while until.is_none_or(|until| found.len() < until) {
        let Some(line) = lines.next_line().await? else {
            break;
        };
        let stream = match line.stream {
            OutputStream::Stderr => "stderr",
            _ => "stdout",
        };
        found.push(json!([stream, line.text]));
        let time = line
            .time
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        times.push(json!(u64::try_from(time.as_millis()).unwrap_or(u64::MAX)));
    }
    Ok(json!({"lines": found, "times": times}))
}

async fn connect(request: &Request) -> Result<Client, Failure> {
    let mut builder = Client::builder().address(request.needed("address")?);
    if let Some(file) = request.text("token_file") {
        builder = builder.token_file(file);
    }
    if let Some(file) = request.text("tls_ca_file") {
        builder = builder.tls_ca_file(file);
    }
    if let Some(file) = request.text("tls_cert_file") {
        builder =
            builder.tls_identity_files(file, request.text("tls_key_file").unwrap_or_default());
    }
    if let Some(insecure) = request.value("insecure").as_bool() {
        builder = builder.insecure(insecure);
    }
    if let Some(interval) = request.duration("keepalive_ms")? {
        builder = builder.keepalive(interval);
    }
    if let Some(attempts) = request.number("attempts")? {
        builder = builder.retry(Retry {
            attempts,
            ..Retry::default()
        });
    }
    Ok(builder.connect().await?)
}

fn scope(request: &Request) -> Result<Option<TerminateScope>, Failure> {
    let number: Option<i32> = request.number("scope")?;
    number
        .map(|number| TerminateScope::try_from(number).map_err(|_| request.lacks("scope")))
        .transpose()
}

fn hold(
    objects: &Objects,
    request: &Request,
    process: Process,
    scope: Option<ScopedProcess>,
) -> Answer {
    let answer = json!({"name": process.name(), "uid": process.uid(), "pid": process.pid()});
    objects
        .processes
        .add(request, Rc::new(Held::new(process, scope)))?;
    Ok(answer)
}

fn completed_json(done: &Completed) -> Value {
    let told = |data: &[u8]| json!({"bytes": data.len(), "sha256": hex(&Sha256::digest(data))});
    json!({
        "stdout": told(&done.stdout),
        "stderr": told(&done.stderr),
        "exit": exit_json(&done.exit),
        "truncated": done.truncated,
    })
}

fn message_json(message: &WatchEventsResponse) -> Value {
    match &message.item {
        Some(Item::Event(event)) => {
            let mut answer = json!({
                "item": "event", "revision": event.revision, "incarnation": event.incarnation,
            });
            match &event.event {
                Some(Event::Process(change)) => {
                    answer["type"] = change.r#type.into();
                    if let Some(process) = &change.process {
                        answer["process"] = process.name.as_str().into();
                        answer["state"] = process.state.into();
                    }
                }
                Some(Event::System(change)) => answer["type"] = change.r#type.as_str().into(),
                None => {}
            }
            answer
        }
        Some(Item::Snapshot(EventSnapshot {
            revision,
            incarnation,
            ..
        })) => {
            json!({"item": "snapshot", "revision": revision, "incarnation": incarnation})
        }
        Some(Item::Bookmark(EventBookmark {
            revision,
            incarnation,
        })) => {
            json!({"item": "bookmark", "revision": revision, "incarnation": incarnation})
        }
        None => json!({"item": "unknown"}),
    }
}
