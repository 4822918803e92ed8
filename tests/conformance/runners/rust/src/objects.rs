//! What requests have made, by the names that they gave it.

use std::{cell::RefCell, collections::HashMap, rc::Rc};

use hcsd_client::{Client, Events, Output, Process, Result, ScopedProcess};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::sync::Mutex;

use crate::{answer::Failure, request::Request};

#[derive(Clone)]
pub struct Objects {
    pub clients: Table<Client>,
    pub processes: Table<Rc<Held>>,
    pub watches: Table<Rc<Mutex<Events>>>,
}

/// Objects of one kind; a name that is given again is the later object's.
#[derive(Clone)]
pub struct Table<T> {
    kind: &'static str,
    named: Rc<RefCell<HashMap<String, T>>>,
}

impl Objects {
    pub fn new() -> Self {
        Self {
            clients: Table::new("client"),
            processes: Table::new("process"),
            watches: Table::new("watch"),
        }
    }
}

impl<T: Clone> Table<T> {
    fn new(kind: &'static str) -> Self {
        Self {
            kind,
            named: Rc::default(),
        }
    }

    pub fn add(&self, request: &Request, object: T) -> std::result::Result<(), Failure> {
        self.named
            .borrow_mut()
            .insert(request.needed("as")?.to_owned(), object);
        Ok(())
    }

    pub fn get(&self, request: &Request) -> std::result::Result<T, Failure> {
        let name = request.needed(self.kind)?;
        self.named
            .borrow()
            .get(name)
            .cloned()
            .ok_or_else(|| request.lacks(self.kind))
    }

    pub fn take(&self, request: &Request) -> std::result::Result<T, Failure> {
        let name = request.needed(self.kind)?;
        self.named
            .borrow_mut()
            .remove(name)
            .ok_or_else(|| request.lacks(self.kind))
    }
}

/// A process, its scope if it has one, and its two readers.
pub struct Held {
    pub process: Process,
    pub scope: RefCell<Option<ScopedProcess>>,
    stdout: Mutex<Reading>,
    stderr: Mutex<Reading>,
}

impl Held {
    pub fn new(process: Process, scope: Option<ScopedProcess>) -> Self {
        let (stdout, stderr) = (process.stdout(), process.stderr());
        Self {
            process,
            scope: RefCell::new(scope),
            stdout: Mutex::new(Reading::new(stdout)),
            stderr: Mutex::new(Reading::new(stderr)),
        }
    }

    pub fn output(&self, stream: Option<&str>) -> &Mutex<Reading> {
        if stream == Some("stderr") {
            &self.stderr
        } else {
            &self.stdout
        }
    }
}

/// What a reader has given so far.
pub struct Reading {
    output: Output,
    bytes: u64,
    digest: Sha256,
    ended: bool,
}

impl Reading {
    fn new(output: Output) -> Self {
        Self {
            output,
            bytes: 0,
            digest: Sha256::new(),
            ended: false,
        }
    }

    pub async fn read(&mut self, until: Option<u64>) -> Result<Value> {
        while !self.ended && until.is_none_or(|until| self.bytes < until) {
            match self.output.chunk().await? {
                Some(data) => {
                    self.bytes += data.len() as u64;
                    self.digest.update(&data);
                }
                None => self.ended = true,
            }
        }
        let sha256 = hex(&self.digest.clone().finalize());
        Ok(json!({"bytes": self.bytes, "sha256": sha256, "ended": self.ended}))
    }
}

pub fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}
