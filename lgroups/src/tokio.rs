// SPDX-License-Identifier: GPL-2.0

//! A group whose messages are waited for by tokio.

use crate::{Error, Group, Result};
use std::io;
use tokio::io::unix::AsyncFd;

/// A group whose messages can be awaited. All its methods may be called concurrently.
///
/// ```no_run
/// use lgroups::{AsyncGroup, Group};
///
/// # async fn example() -> Result<(), lgroups::Error> {
/// let kitchen = AsyncGroup::new(Group::install("kitchen")?)?;
/// let message = kitchen.receive().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct AsyncGroup {
    group: AsyncFd<Group>,
}

impl AsyncGroup {
    /// Hands the group to the current tokio runtime.
    ///
    /// # Panics
    ///
    /// If there is no such runtime, or its IO is not enabled.
    ///
    /// # Errors
    ///
    /// [`Error::Os`]
    pub fn new(group: Group) -> Result<Self> {
        // SAFETY: A group keeps its device open, and is not changed, until it is dropped.
        match unsafe { AsyncFd::register(group) } {
            Ok(group) => Ok(Self { group }),
            Err(err) => Err(os("hand the group to tokio", err.into_parts().1)),
        }
    }

    /// Takes the group's first message, after waiting for one if there is none.
    ///
    /// Dropping the future loses no message.
    ///
    /// # Errors
    ///
    /// As [`Group::receive`].
    pub async fn receive(&self) -> Result<Vec<u8>> {
        loop {
            let ready = self.group.readable().await;
            let mut ready = ready.map_err(|err| os("wait for a message", err))?;
            match self.group().receive_now()? {
                Some(message) => return Ok(message),
                None => ready.clear_ready(),
            }
        }
    }

    /// Sends a message, after waiting for room if there is none.
    ///
    /// Dropping the future sends nothing, unless it was ready.
    ///
    /// # Errors
    ///
    /// As [`Group::send`], without [`Error::StorageFull`]. A message larger than the group's
    /// `max_storage_size` waits until that is raised.
    pub async fn send(&self, message: &[u8]) -> Result<()> {
        loop {
            let ready = self.group.writable().await;
            let mut ready = ready.map_err(|err| os("wait for room", err))?;
            match self.group().send(message) {
                Err(Error::StorageFull) => ready.clear_ready(),
                result => return result,
            }
        }
    }

    /// The group, for everything else.
    pub fn group(&self) -> &Group {
        self.group.get_ref()
    }

    /// Takes the group back from tokio.
    pub fn into_group(self) -> Group {
        self.group.into_inner()
    }
}

fn os(action: &'static str, source: io::Error) -> Error {
    Error::Os { action, source }
}
