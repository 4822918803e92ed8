//! Async steps over one state, polled as a stream: what a dropped wait has begun, the next wait
//! completes. This is why reading is safe to cancel at any point.
//!
//! | state   | event        | next                                |
//! |---------|--------------|-------------------------------------|
//! | Idle    | polled       | Running                             |
//! | Running | the result   | Idle                                |
//! | Running | panics       | Over, where it must not be polled   |

use std::{
    fmt, mem,
    pin::Pin,
    task::{Context, Poll, ready},
};

pub(crate) type Step<S, T> = Pin<Box<dyn Future<Output = (S, T)> + Send>>;

pub(crate) struct Steps<S, T> {
    state: State<S, T>,
    step: fn(S) -> Step<S, T>,
}

enum State<S, T> {
    Idle(S),
    Running(Step<S, T>),
    Over,
}

impl<S, T> Steps<S, T> {
    pub(crate) fn new(state: S, step: fn(S) -> Step<S, T>) -> Self {
        Self { state: State::Idle(state), step }
    }

    /// Changes the state while no step has begun.
    pub(crate) fn idle(&mut self) -> Option<&mut S> {
        if let State::Idle(state) = &mut self.state { Some(state) } else { None }
    }

    pub(crate) fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<T> {
        if let State::Idle(_) = self.state
            && let State::Idle(state) = mem::replace(&mut self.state, State::Over)
        {
            self.state = State::Running((self.step)(state));
        }
        let State::Running(step) = &mut self.state else {
            unreachable!("a step has panicked before");
        };
        let (state, result) = ready!(step.as_mut().poll(cx));
        self.state = State::Idle(state);
        Poll::Ready(result)
    }
}

impl<S, T> fmt::Debug for Steps<S, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.state {
            State::Idle(_) => "Idle",
            State::Running(_) => "Running",
            State::Over => "Over",
        })
    }
}
