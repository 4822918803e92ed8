//! Requests of the suite.

use std::{fs, time::Duration};

use serde_json::Value;

use crate::answer::Failure;

pub struct Request {
    pub id: u64,
    pub what: String,
    arguments: Value,
}

impl Request {
    pub fn parse(line: &str) -> Result<Self, String> {
        let arguments: Value = serde_json::from_str(line).map_err(|error| error.to_string())?;
        let id = arguments["id"].as_u64().ok_or("it has no id")?;
        let what = arguments["do"].as_str().ok_or("it has no 'do'")?.to_owned();
        Ok(Self {
            id,
            what,
            arguments,
        })
    }

    /// Returns the id of the request that this one cancels.
    pub fn cancels(&self) -> Option<u64> {
        if self.what == "cancel" {
            self.arguments["request"].as_u64()
        } else {
            None
        }
    }

    pub fn value(&self, name: &str) -> &Value {
        &self.arguments[name]
    }

    pub fn text(&self, name: &str) -> Option<&str> {
        self.arguments[name].as_str()
    }

    pub fn needed(&self, name: &str) -> Result<&str, Failure> {
        self.text(name).ok_or_else(|| self.lacks(name))
    }

    pub fn number<N: TryFrom<u64>>(&self, name: &str) -> Result<Option<N>, Failure> {
        let value = &self.arguments[name];
        if value.is_null() {
            return Ok(None);
        }
        let number = value.as_u64().and_then(|number| number.try_into().ok());
        number.map(Some).ok_or_else(|| self.lacks(name))
    }

    /// Returns a time in milliseconds.
    pub fn duration(&self, name: &str) -> Result<Option<Duration>, Failure> {
        Ok(self.number(name)?.map(Duration::from_millis))
    }

    /// Returns a signal's number.
    pub fn signal_number(&self) -> Result<i32, Failure> {
        let number = self.arguments["signal"].as_i64();
        number
            .and_then(|number| number.try_into().ok())
            .ok_or_else(|| self.lacks("signal"))
    }

    pub fn flag(&self, name: &str) -> bool {
        self.arguments[name].as_bool().unwrap_or(false)
    }

    /// Returns the bytes to write, from `file` or `text`.
    pub fn data(&self) -> Result<Vec<u8>, Failure> {
        match self.text("file") {
            Some(file) => fs::read(file).map_err(|error| Failure::Unsupported(error.to_string())),
            None => Ok(self.text("text").unwrap_or_default().as_bytes().to_vec()),
        }
    }

    pub fn lacks(&self, name: &str) -> Failure {
        Failure::Unsupported(format!("'{}' has no right '{name}'", self.what))
    }
}
