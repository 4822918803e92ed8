//! What to run, as `std::process::Command` has it.

use std::time::Duration;

use crate::{
    Error, ErrorKind, HOST_SYSTEM, Result,
    ownership::Ownership,
    v1::{
        Argv, Console, CreateProcessRequest, EnvironmentVariable, ExecProcessRequest,
        OutputOptions, OutputStream, OverflowPolicy, ProcessOptions, ProcessSpec, StdinMode,
        create_process_request::Source, process_spec,
    },
};

/// What to run and how; made of a program and its arguments, or of a [`ProcessSpec`].
///
/// ```
/// # use hcsd_client::Command;
/// let command = Command::new("make").args(["-j", "2"]).env("V", "1").current_dir("/src");
/// let command = Command::from(["sh", "-c", "exit 7"]);
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Command {
    request: CreateProcessRequest,
    pub(crate) exec_only: Option<ExecProcessRequest>, // what `exec` alone has
    pub(crate) ownership: Ownership,
    pub(crate) misused: Option<String>,
}

impl Command {
    /// A program, to be followed by its arguments. Nothing is split, expanded or quoted by the caller.
    pub fn new(program: impl Into<String>) -> Self {
        Self::from([program])
    }

    /// A full command line, which a Windows guest gets unchanged. For a POSIX guest it is split into
    /// words as a shell would, but no shell runs.
    pub fn from_line(line: impl Into<String>) -> Self {
        let command = Some(process_spec::Command::CommandLine(line.into()));
        Self::from(ProcessSpec { command, ..ProcessSpec::default() })
    }

    /// A document for `HcsCreateProcess` (JSON, HCS schema `ProcessParameters`), which is passed on
    /// unchanged. It says itself what the methods up to [`console`](Self::console) would; using them is
    /// [`ErrorKind::Usage`].
    pub fn from_parameters_json(document: impl Into<String>) -> Self {
        Self::from_source(Source::ParametersJson(document.into()))
    }

    /// Adds an argument.
    pub fn arg(self, argument: impl Into<String>) -> Self {
        self.args([argument])
    }

    /// Adds arguments. Of a command line it is [`ErrorKind::Usage`].
    pub fn args(mut self, arguments: impl IntoIterator<Item = impl Into<String>>) -> Self {
        if let Source::Spec(spec) = self.source()
            && let Some(process_spec::Command::Argv(argv)) = &mut spec.command
        {
            argv.args.extend(arguments.into_iter().map(Into::into));
        } else {
            self.misused =
                Some("an argument needs a command that was made of a program".to_owned());
        }
        self
    }

    /// Adds a variable to the system's own environment, or replaces it.
    pub fn env(self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let variable = EnvironmentVariable { name: name.into(), value: value.into() };
        self.spec("env", |spec| spec.env.push(variable))
    }

    /// Adds variables, as [`env`](Self::env) does.
    pub fn envs(
        self,
        variables: impl IntoIterator<Item = (impl Into<String>, impl Into<String>)>,
    ) -> Self {
        variables.into_iter().fold(self, |command, (name, value)| command.env(name, value))
    }

    /// Sets who runs it, as the guest names users. By default the guest's own.
    pub fn user(self, name: impl Into<String>) -> Self {
        self.spec("user", |spec| spec.user = name.into())
    }

    /// Sets the working directory inside the guest.
    pub fn current_dir(self, folder: impl Into<String>) -> Self {
        self.spec("current_dir", |spec| spec.working_directory = folder.into())
    }

    /// Gives it a stdin to write to. By default it reads end-of-file.
    pub fn stdin(self, piped: bool) -> Self {
        let mode = if piped { StdinMode::Pipe } else { StdinMode::Closed };
        self.spec("stdin", |spec| spec.set_stdin_mode(mode))
    }

    /// Gives it a console of this size in character cells.
    pub fn console(self, columns: u32, rows: u32) -> Self {
        self.spec("console", |spec| spec.console = Some(Console { columns, rows }))
    }

    /// Sets how much of each output the daemon keeps, in bytes. By default 1 MiB.
    pub fn ring_bytes(mut self, bytes: u64) -> Self {
        self.output().ring_bytes = bytes;
        self
    }

    /// Sets what happens when an output is not read in time. By default [`Client::run`] makes the
    /// process wait, and [`Client::create`] drops the oldest.
    ///
    /// [`Client::run`]: crate::Client::run
    /// [`Client::create`]: crate::Client::create
    pub fn overflow(mut self, policy: OverflowPolicy) -> Self {
        self.output().set_overflow(policy);
        self
    }

    /// Joins stderr to stdout, in the order of writing, as `2>&1` does. Stderr then ends at once. Systems
    /// of HCS have no way to do so, and answer [`ErrorKind::Unimplemented`].
    pub fn stderr_to_stdout(mut self, join: bool) -> Self {
        self.output().stderr_to_stdout = join;
        self
    }

    /// Throws away what the process writes to a stream, so that it never waits for a reader. The stream
    /// then ends at once.
    pub fn discard(mut self, stream: OutputStream) -> Self {
        let discarded = &mut self.output().discard;
        if !discarded.contains(&stream.into()) {
            discarded.push(stream.into());
        }
        self
    }

    /// Sets how long the process may run before it is killed with its descendants. By default, and when
    /// zero, without limit.
    pub fn run_timeout(self, time: Duration) -> Self {
        self.timed("run_timeout", time, |options, time| options.run_timeout = Some(time))
    }

    /// Sets how long after the exit to wait for outputs that a descendant keeps open. By default 5 s.
    pub fn drain_timeout(self, time: Duration) -> Self {
        self.timed("drain_timeout", time, |options, time| options.drain_timeout = Some(time))
    }

    /// Keeps the process after its exit, with its output, until it is deleted. By default the daemon
    /// forgets it after some time.
    pub fn pin(mut self, pin: bool) -> Self {
        self.options().pin = pin;
        self
    }

    /// Sets the system to run in, `systems/{system_id}`. By default [`HOST_SYSTEM`].
    pub fn parent(mut self, system: impl Into<String>) -> Self {
        self.request.parent = system.into();
        self
    }

    /// Sets the last part of its name. By default the daemon issues one.
    pub fn process_id(mut self, id: impl Into<String>) -> Self {
        self.request.process_id = id.into();
        self
    }

    /// Adds a label to store with it.
    pub fn label(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.request.labels.insert(name.into(), value.into());
        self
    }

    /// Sets the UUID that makes its creation safe to repeat. By default a new one, so that a call
    /// whose connection is lost starts one process.
    pub fn request_id(mut self, id: impl Into<String>) -> Self {
        self.request.request_id = id.into();
        self
    }

    pub(crate) fn into_request(self) -> Result<CreateProcessRequest> {
        let exec_only = self.exec_only.map(|_| {
            "stdin_bytes and max_output_bytes are for exec: write to the stdin of another process, \
             and read its outputs"
                .to_owned()
        });
        match self.misused.or(exec_only) {
            None => Ok(self.request),
            Some(problem) => Err(Error::new(ErrorKind::Usage, problem)),
        }
    }

    fn from_source(source: Source) -> Self {
        let request = CreateProcessRequest {
            parent: HOST_SYSTEM.to_owned(),
            source: Some(source),
            ..CreateProcessRequest::default()
        };
        Self { request, exec_only: None, ownership: Ownership::Default, misused: None }
    }

    pub(crate) fn source(&mut self) -> &mut Source {
        self.request.source.get_or_insert_with(|| Source::Spec(ProcessSpec::default()))
    }

    pub(crate) fn options(&mut self) -> &mut ProcessOptions {
        self.request.options.get_or_insert_default()
    }

    pub(crate) fn output(&mut self) -> &mut OutputOptions {
        self.options().output.get_or_insert_default()
    }

    pub(crate) fn timed(
        mut self,
        what: &str,
        time: Duration,
        change: impl FnOnce(&mut ProcessOptions, prost_types::Duration),
    ) -> Self {
        match time.try_into() {
            Ok(time) => change(self.options(), time),
            Err(_) => {
                self.misused = Some(format!("{what}: {time:?} is too long: give it less"));
            }
        }
        self
    }

    fn spec(mut self, what: &'static str, change: impl FnOnce(&mut ProcessSpec)) -> Self {
        match self.source() {
            Source::Spec(spec) => change(spec),
            Source::ParametersJson(_) => {
                self.misused = Some(format!(
                    "'{what}' cannot be set beside parameters_json: say it in that document"
                ));
            }
        }
        self
    }
}

impl From<ProcessSpec> for Command {
    fn from(spec: ProcessSpec) -> Self {
        Self::from_source(Source::Spec(spec))
    }
}

impl<S: Into<String>> From<Vec<S>> for Command {
    fn from(args: Vec<S>) -> Self {
        let args = args.into_iter().map(Into::into).collect();
        let command = Some(process_spec::Command::Argv(Argv { args }));
        Self::from(ProcessSpec { command, ..ProcessSpec::default() })
    }
}

impl<S: Into<String>, const N: usize> From<[S; N]> for Command {
    fn from(args: [S; N]) -> Self {
        Self::from(Vec::from(args))
    }
}
