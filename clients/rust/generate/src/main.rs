//! Writes `clients/rust/src/gen` from a descriptor set, which has the comments of the contract.
//!
//! The crate's users build without this program and without a Protobuf compiler.

use std::{env, error::Error, fs};

use prost::Message as _;
use tonic_prost_build::{Config, FileDescriptorSet};

const OUT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../src/gen");

fn main() -> Result<(), Box<dyn Error>> {
    let image = env::args_os().nth(1).ok_or("usage: hcsd-client-generate DESCRIPTOR_SET")?;
    let mut files = FileDescriptorSet::decode(fs::read(image)?.as_slice())?;
    files.file.retain(|file| file.package() != "google.api"); // options, which nobody reads here
    let mut config = Config::new();
    config.enable_type_names(); // tells the details of a status apart
    config.disable_comments([".google"]); // examples in them would be compiled as Rust
    if fs::exists(OUT)? {
        fs::remove_dir_all(OUT)?;
    }
    fs::create_dir_all(OUT)?;
    tonic_prost_build::configure()
        .server_mod_attribute(".", "#[cfg(test)]") // the tests of the crate have a server
        .generate_default_stubs(true)
        .build_transport(false) // `connect`, past the address, the token and TLS of the crate
        .bytes(".")
        .out_dir(OUT)
        .include_file("mod.rs")
        .compile_fds_with_config(files, config)?;
    Ok(())
}
