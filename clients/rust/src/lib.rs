//! A client of the `hcsd` daemon, which gives any language the processes of the Windows Host
//! Compute Service, and on Linux those of the host.
//!
//! ```no_run
//! # async fn example() -> hcsd_client::Result<()> {
//! use hcsd_client::Client;
//!
//! let client = Client::connect().await?;
//! let process = client.run(["sh", "-c", "echo hello; exit 7"]).await?;
//! let done = process.communicate(b"").await?;
//! println!("{:?}: {:?} {:?}", done.exit.outcome, done.stdout, done.stderr);
//! process.leave().await;
//! # Ok(())
//! # }
//! ```
//!
//! A [`Process`] is not bound to a connection: what it reads, writes and waits for goes on where it
//! stopped when the daemon is reached again, within the bounds of [`Retry`]. Messages are those of the
//! contract, in [`v1`], with no second set of types beside them. Whatever the contract has can be called
//! by the stubs that [`Client::processes`] and its neighbours return.
//!
//! # Errors
//!
//! Every method fails with an [`Error`], whose [`kind`](Error::kind) tells what to do about it. A
//! `tonic::Status` of a stub becomes one with `?`.
//!
//! # Cancellation and deadlines
//!
//! Every future may be dropped, as `tokio::time::timeout` and `select!` do, and each method says what
//! that means for what it had begun. In short: nothing that was read is lost, and what the daemon has
//! begun it completes.
//!
//! # Runtime
//!
//! A client belongs to the tokio runtime that it was made in, which needs its I/O and time drivers. All
//! types may be sent and shared between threads, as far as `&mut self` allows.

#![deny(unreachable_pub)]

mod address;
mod calls;
mod client;
mod command;
mod completed;
mod creation;
mod ending;
mod error;
mod events;
mod exec;
mod hooks;
mod keepalive;
mod lines;
mod listening;
mod names;
mod output;
mod owner;
mod ownership;
mod polled;
mod process;
mod reader;
mod retry;
mod scoped;
mod security;
mod status;
mod stdin;
mod steps;
#[cfg(test)]
mod tests;
mod tls;
mod transport;

pub use address::Address;
pub use client::{Client, ClientBuilder};
pub use command::Command;
pub use completed::Completed;
pub use error::{Error, ErrorKind, FieldViolation, Resource};
pub use events::Events;
pub use lines::{Line, Lines};
pub use names::{ALL_SYSTEMS, HOST_SYSTEM, process_name, system_name};
pub use output::{Output, Position};
pub use process::Process;
pub use retry::Retry;
pub use scoped::ScopedProcess;
pub use stdin::Stdin;
pub use tonic::Code;
pub use transport::{Metadata, Transport};

/// What methods of this crate return.
pub type Result<T> = std::result::Result<T, Error>;

#[path = "gen/mod.rs"]
#[rustfmt::skip]
#[allow(clippy::all, clippy::pedantic, missing_docs, rustdoc::all, unreachable_pub)] // not written by hand
mod generated;

/// The messages and stubs of the contract, `hcsd.v1`.
pub mod v1 {
    pub use crate::generated::hcsd::v1::*;
}

/// What the contract takes from `google.rpc`, as in [`v1::OpError`].
pub mod rpc {
    pub use crate::generated::google::rpc::*;
}
