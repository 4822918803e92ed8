//! What the conformance suite, which is the same for all languages, does not ask: dropped futures, the
//! types of the crate, and how it counts its attempts. Against a server in this process.

mod creation;
mod errors;
mod events;
mod exec;
mod lines;
mod lost;
mod options;
mod output;
mod processes;
mod retry;
mod scoped;
mod server;
mod services;
mod stdin;
mod trust;
