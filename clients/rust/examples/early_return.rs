//! Runs a command at the daemon and returns early, by a `?`: the process ends with the program.

use std::{env, error::Error};

use hcsd_client::Client;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let client = Client::connect().await?;
    let process = client.run(env::args().skip(1).collect::<Vec<_>>()).await?;
    let line = process.stdout().chunk().await?.unwrap_or_default();
    let _: u32 = str::from_utf8(&line)?.trim().parse()?; // not for every command
    process.leave().await;
    Ok(())
}
