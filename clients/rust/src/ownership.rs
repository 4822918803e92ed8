//! How long a process outlives its program, as a command says it.

use std::time::Duration;

use crate::{
    Command, Error, ErrorKind, Result,
    v1::{OrphanPolicy, OverflowPolicy, ProcessSpec, create_process_request::Source},
};

/// For a client that was cut off to come back; arbitrary.
const OWNER_GRACE: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, Debug)]
pub(crate) enum Ownership {
    Default,
    Never,
    Grace(Duration),
}

impl Command {
    /// Sets how long a process of [`Client::run`](crate::Client::run) or
    /// [`Client::exec`](crate::Client::exec) lives after this program has gone or was cut off, before
    /// the daemon kills it with its descendants. By default 10 s. With `None` it lives on.
    ///
    /// It must be above zero. For [`Client::create`](crate::Client::create) it is
    /// [`ErrorKind::Usage`], as such a process has no owner.
    pub fn owner_grace(mut self, grace: impl Into<Option<Duration>>) -> Self {
        self.ownership = match grace.into() {
            Some(Duration::ZERO) => {
                self.misused = Some(
                    "an owner_grace of zero gives the owner no time to begin: give it more, or None \
                     for a process that lives on"
                        .to_owned(),
                );
                Ownership::Never
            }
            Some(grace) => Ownership::Grace(grace),
            None => Ownership::Never,
        };
        self
    }

    /// Makes the process wait for who reads it, and gives it an owner, unless something else was said.
    pub(crate) fn owned(mut self) -> Self {
        let spec = match self.source() {
            Source::Spec(spec) => spec.clone(),
            Source::ParametersJson(_) => ProcessSpec::default(),
        };
        let output = spec.output.clone().unwrap_or_default();
        if output.overflow() == OverflowPolicy::Unspecified
            && self.output().overflow() == OverflowPolicy::Unspecified
        {
            self.output().set_overflow(OverflowPolicy::Block);
        }
        if let Ownership::Default = self.ownership
            && spec.orphan_policy() != OrphanPolicy::Keep
        {
            self.ownership = Ownership::Grace(OWNER_GRACE);
        }
        self.with_ownership(OrphanPolicy::Unspecified)
    }

    /// Adds what was said of its owner; a process without one gets this policy.
    pub(crate) fn with_ownership(mut self, without: OrphanPolicy) -> Self {
        match self.ownership {
            Ownership::Default => self,
            Ownership::Never => {
                if without != OrphanPolicy::Unspecified {
                    self.options().set_orphan_policy(without);
                }
                self
            }
            Ownership::Grace(grace) => self.timed("owner_grace", grace, |options, grace| {
                options.owner_grace = Some(grace);
                options.set_orphan_policy(OrphanPolicy::KillOnOwnerDisconnect);
            }),
        }
    }

    /// Refuses what is for owned processes alone.
    pub(crate) fn unowned(self) -> Result<Self> {
        if let Ownership::Default = self.ownership {
            return Ok(self);
        }
        let problem = "owner_grace is for a process of run: one of create has no owner";
        Err(Error::new(ErrorKind::Usage, problem.to_owned()))
    }
}
