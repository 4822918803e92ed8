//! Runs a command at the daemon, shows its output as it comes, and exits with its code.

use std::{env, process::exit};

use hcsd_client::{Client, v1::process_exit::Outcome};
use tokio::io::{copy, stderr, stdout};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let client = Client::connect().await?;
    let command: Vec<String> = env::args().skip(1).collect();
    let process = client.run(command).await?; // killed when this is left

    let (mut out, mut err) = (process.stdout(), process.stderr());
    let (mut to_stdout, mut to_stderr) = (stdout(), stderr());
    tokio::try_join!(copy(&mut out, &mut to_stdout), copy(&mut err, &mut to_stderr))?;

    match process.wait().await?.outcome {
        Some(Outcome::ExitCode(code)) => exit(code.try_into().unwrap_or(1)),
        other => Err(format!("it has no exit code: {other:?}").into()),
    }
}
