//! What to run, as `std::process::Command` has it.

use crate::{
    Error, ErrorKind, HOST_SYSTEM, Result,
    v1::{
        Argv, Console, CreateProcessRequest, EnvironmentVariable, OutputOptions, OverflowPolicy,
        ProcessSpec, StdinMode, create_process_request::Source, process_spec,
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
    misused: Option<String>,
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
    /// unchanged. It says itself what the other methods would, up to [`parent`](Self::parent); using
    /// them is [`ErrorKind::Usage`].
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
    pub fn ring_bytes(self, bytes: u64) -> Self {
        self.spec("ring_bytes", |spec| output(spec).ring_bytes = bytes)
    }

    /// Sets what happens when an output is not read in time. By default [`Client::run`] makes the
    /// process wait, and [`Client::create`] drops the oldest.
    ///
    /// [`Client::run`]: crate::Client::run
    /// [`Client::create`]: crate::Client::create
    pub fn overflow(self, policy: OverflowPolicy) -> Self {
        self.spec("overflow", |spec| output(spec).set_overflow(policy))
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

    /// Makes the process wait for who reads it, unless something else was said.
    pub(crate) fn blocking(mut self) -> Self {
        if let Source::Spec(spec) = self.source()
            && output(spec).overflow() == OverflowPolicy::Unspecified
        {
            output(spec).set_overflow(OverflowPolicy::Block);
        }
        self
    }

    pub(crate) fn into_request(self) -> Result<CreateProcessRequest> {
        match self.misused {
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
        Self { request, misused: None }
    }

    fn source(&mut self) -> &mut Source {
        self.request.source.get_or_insert_with(|| Source::Spec(ProcessSpec::default()))
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

fn output(spec: &mut ProcessSpec) -> &mut OutputOptions {
    spec.output.get_or_insert_default()
}
