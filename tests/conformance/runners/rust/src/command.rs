//! What `create`, `run` and `exec` are to start.

use hcsd_client::{
    Command,
    v1::{OutputStream, OverflowPolicy},
};
use serde_json::Value;

use crate::{answer::Failure, request::Request};

pub fn command(request: &Request) -> Result<Command, Failure> {
    let argv = request.value("argv").as_array();
    let mut command = match (argv, request.text("parameters_json")) {
        (Some(argv), None) => {
            let words: Option<Vec<&str>> = argv.iter().map(Value::as_str).collect();
            Command::from(words.ok_or_else(|| request.lacks("argv"))?)
        }
        (None, Some(document)) => Command::from_parameters_json(document),
        _ => return Err(Failure::Inexpressible("a command is made of one source")),
    };
    if request.flag("stdin") {
        command = command.stdin(true);
    }
    let console = request.value("console");
    if !console.is_null() {
        let size = |name: &str| {
            console[name]
                .as_u64()
                .and_then(|number| number.try_into().ok())
        };
        let columns = size("columns").ok_or_else(|| request.lacks("console"))?;
        command = command.console(
            columns,
            size("rows").ok_or_else(|| request.lacks("console"))?,
        );
    }
    if let Some(parent) = request.text("parent") {
        command = command.parent(parent);
    }
    if let Some(id) = request.text("process_id") {
        command = command.process_id(id);
    }
    if let Some(id) = request.text("request_id") {
        command = command.request_id(id);
    }
    options(command, request)
}

/// Adds what says how the process is kept.
fn options(mut command: Command, request: &Request) -> Result<Command, Failure> {
    if request.flag("block") {
        command = command.overflow(OverflowPolicy::Block);
    }
    if let Some(bytes) = request.number("ring_bytes")? {
        command = command.ring_bytes(bytes);
    }
    if request.flag("stderr_to_stdout") {
        command = command.stderr_to_stdout(true);
    }
    for stream in request.value("discard").as_array().into_iter().flatten() {
        command = command.discard(match stream.as_str() {
            Some("stdout") => OutputStream::Stdout,
            Some("stderr") => OutputStream::Stderr,
            _ => return Err(request.lacks("discard")),
        });
    }
    if let Some(time) = request.duration("run_timeout_ms")? {
        command = command.run_timeout(time);
    }
    if let Some(time) = request.duration("drain_timeout_ms")? {
        command = command.drain_timeout(time);
    }
    if request.flag("pin") {
        command = command.pin(true);
    }
    if let Some(grace) = request.duration("owner_grace_ms")? {
        command = command.owner_grace(grace);
    }
    Ok(command)
}
