//! What the library offers, as a program writes it.

use serde_json::{Value, json};

pub fn features() -> Value {
    json!({"features": {
        "run": "Client::run",
        "create": "Client::create",
        "open": "Client::open",
        "list": "Client::list_processes",
        "watch": "Client::watch_events",
        "modify": "Process::resize",
        "communicate": "Process::communicate",
        "exec": "Client::exec",
        "lines": "Process::lines",
        "since": "Line::time, Lines::since",
        "wait": "Process::wait",
        "signal": "Process::signal",
        "terminate": "Process::terminate",
        "stdout": "Stream and AsyncRead",
        "stdin": "AsyncWrite",
        "options": "Command::ring_bytes, overflow, run_timeout, drain_timeout",
        "discard": "Command::discard",
        "stderr_to_stdout": "Command::stderr_to_stdout",
        "pin": "Command::pin",
        "owner_grace": "Command::owner_grace",
        "async": "async fn on tokio",
        "deadline": "tokio::time::timeout",
        "cancel": "drop of the future",
        "retry": "ClientBuilder::retry",
        "keepalive": "ClientBuilder::keepalive",
        "tls": "ClientBuilder::tls_ca_file, tls_identity_files",
        "token": "ClientBuilder::token_file",
        "logging": "events of tracing",
        "interceptors": "ClientBuilder::interceptor",
        "channel": "ClientBuilder::endpoint",
        "errors": "Error::kind",
        "stubs": "Client::processes, systems, events, host",
    }})
}
