// SPDX-License-Identifier: GPL-2.0

//! Threads that may be waiting in the kernel when they are told to stop.

use anyhow::{Context, Result, bail};
use nix::sys::pthread::{Pthread, pthread_kill, pthread_self};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use std::sync::{Arc, OnceLock};
use std::thread::{Builder, Scope, ScopedJoinHandle};
use std::time::{Duration, Instant};

/// What takes a thread out of a system call.
const WAKE_UP: Signal = Signal::SIGUSR1;

extern "C" fn do_nothing(_: i32) {}

/// Makes the signal that [`Crew::join`] sends do nothing but end a system call with `EINTR`.
pub fn ignore_wake_ups() -> Result<()> {
    let handler = SigHandler::Handler(do_nothing);
    let action = SigAction::new(handler, SaFlags::empty(), SigSet::empty());
    // SAFETY: The handler does nothing, which is safe at any time.
    unsafe { sigaction(WAKE_UP, &action) }.context("sigaction")?;
    Ok(())
}

/// Threads that will be asked to stop.
pub struct Crew<'scope, 'env, T> {
    scope: &'scope Scope<'scope, 'env>,
    threads: Vec<Member<'scope, T>>,
}

struct Member<'scope, T> {
    handle: ScopedJoinHandle<'scope, nix::Result<T>>,
    /// Set as soon as it runs.
    id: Arc<OnceLock<Pthread>>,
}

impl<T> Member<'_, T> {
    /// Takes it out of the system call that it is in.
    fn wake_up(&self) {
        if let Some(&id) = self.id.get() {
            // One that has ended meanwhile is no failure.
            let _ = pthread_kill(id, WAKE_UP);
        }
    }
}

impl<'scope, 'env, T: Send + 'scope> Crew<'scope, 'env, T> {
    /// Nobody yet.
    pub fn new(scope: &'scope Scope<'scope, 'env>) -> Self {
        Self {
            scope,
            threads: Vec::new(),
        }
    }

    /// Starts a thread.
    pub fn spawn(&mut self, work: impl FnOnce() -> nix::Result<T> + Send + 'scope) -> Result<()> {
        let id = Arc::new(OnceLock::new());
        let its = id.clone();
        let work = move || {
            let _ = its.set(pthread_self());
            work()
        };
        let handle = Builder::new()
            .stack_size(64 << 10)
            .spawn_scoped(self.scope, work)?;
        self.threads.push(Member { handle, id });
        Ok(())
    }

    /// Waits for all of them, which know that they have to stop, and takes them out of whatever
    /// system call they are waiting in. A signal may come just before the call, so it is sent
    /// until the thread ends.
    pub fn join(self) -> Result<Vec<T>> {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !self
            .threads
            .iter()
            .all(|thread| thread.handle.is_finished())
        {
            let left = self
                .threads
                .iter()
                .filter(|thread| !thread.handle.is_finished());
            left.for_each(Member::wake_up);
            if Instant::now() > deadline {
                // Scoped threads cannot be left behind.
                eprintln!("bench: a thread does not stop");
                std::process::abort();
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        let mut results = Vec::new();
        for thread in self.threads {
            match thread.handle.join() {
                Ok(result) => results.push(result?),
                Err(_) => bail!("a thread panicked"),
            }
        }
        Ok(results)
    }
}
