//! Answers to the suite.

use hcsd_client::{
    Error,
    v1::{ProcessExit, process_exit::Outcome},
};
use serde_json::{Map, Value, json};
use tokio::time::error::Elapsed;

pub enum Failure {
    /// The library's own.
    Error(Error),
    /// The deadline of the request is up.
    Elapsed(Elapsed),
    /// The request was cancelled.
    Cancelled,
    /// The library has no way to say what the request says.
    Inexpressible(&'static str),
    /// The runner does not know what is meant.
    Unsupported(String),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl From<Elapsed> for Failure {
    fn from(error: Elapsed) -> Self {
        Self::Elapsed(error)
    }
}

impl Failure {
    pub fn to_json(&self) -> Value {
        let plain = |class: &str, kind: &str, message: &str| json!({"class": class, "type": kind, "message": message});
        match self {
            Self::Error(error) => error_json(error),
            Self::Elapsed(error) => plain(
                "DeadlineExceeded",
                "tokio::time::error::Elapsed",
                &error.to_string(),
            ),
            Self::Cancelled => plain("Cancelled", "a dropped future", "the request was cancelled"),
            Self::Inexpressible(message) => plain("Usage", "a compile error", message),
            Self::Unsupported(message) => plain("Unsupported", "", message),
        }
    }
}

fn error_json(error: &Error) -> Value {
    let class = format!("{:?}", error.kind());
    let violations: Vec<Value> = error
        .violations()
        .iter()
        .map(|violation| json!({"field": violation.field, "rule": violation.rule}))
        .collect();
    let mut answer = json!({
        "class": class,
        "type": format!("ErrorKind::{class}"),
        "message": error.message(),
        "reason": error.reason(),
        "metadata": error.metadata(),
        "violations": violations,
    });
    if let Some(code) = error.code() {
        answer["code"] = screaming(&format!("{code:?}")).into();
    }
    if let Some(hresult) = error.hresult() {
        answer["hresult"] = hresult.into();
    }
    answer
}

/// Returns the contract's spelling of a code: `NOT_FOUND` for `NotFound`.
fn screaming(name: &str) -> String {
    let mut spelled = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !spelled.is_empty() {
            spelled.push('_');
        }
        spelled.push(letter.to_ascii_uppercase());
    }
    spelled
}

pub fn exit_json(exit: &ProcessExit) -> Value {
    let mut answer = Map::new();
    let (name, number) = match &exit.outcome {
        Some(Outcome::ExitCode(code)) => ("exit_code", *code),
        Some(Outcome::StartError(error)) => ("start_error", error.hresult),
        Some(Outcome::Unknown(unknown)) => ("unknown", unknown.hresult),
        None => ("unknown", 0),
    };
    answer.insert(name.to_owned(), number.into());
    answer.insert("signal".to_owned(), exit.signal.into());
    answer.insert("reason".to_owned(), exit.reason.into());
    answer.into()
}
