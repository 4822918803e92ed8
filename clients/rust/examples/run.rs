//! Runs a command at the daemon, shows its output as it comes, and exits with its code.

use std::{env, error::Error, process::exit};

use hcsd_client::{Client, Process, v1::process_exit::Outcome};
use tokio::io::{copy, stderr, stdout};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let client = Client::connect().await?;
    let process = client.run(env::args().skip(1).collect::<Vec<_>>()).await?;
    let code = show(&process).await;
    process.leave().await; // kills it, if it still runs
    exit(code?)
}

async fn show(process: &Process) -> Result<i32, Box<dyn Error>> {
    let (mut out, mut err) = (process.stdout(), process.stderr());
    let (mut to_stdout, mut to_stderr) = (stdout(), stderr());
    tokio::try_join!(copy(&mut out, &mut to_stdout), copy(&mut err, &mut to_stderr))?;
    match process.wait().await?.outcome {
        Some(Outcome::ExitCode(code)) => Ok(code.try_into()?),
        other => Err(format!("it has no exit code: {other:?}").into()),
    }
}
