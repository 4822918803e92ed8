//! What the library has logged.

use std::{
    io,
    sync::{Mutex, PoisonError},
};

static WRITTEN: Mutex<Vec<u8>> = Mutex::new(Vec::new());

/// Begins to take down what the library logs.
pub fn begin() {
    tracing_subscriber::fmt()
        .with_ansi(false)
        .without_time()
        .with_writer(|| Writer)
        .init();
}

/// Returns the lines about the daemon at an address.
pub fn lines(address: &str) -> Vec<String> {
    let written = WRITTEN.lock().unwrap_or_else(PoisonError::into_inner);
    let mark = format!("address={address} ");
    let text = String::from_utf8_lossy(&written);
    let of_address = text
        .lines()
        .filter(|line| format!("{line} ").contains(&mark));
    of_address.map(str::to_owned).collect()
}

struct Writer;

impl io::Write for Writer {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        WRITTEN
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend_from_slice(data);
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
