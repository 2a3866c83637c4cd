// SPDX-License-Identifier: GPL-2.0

//! Groups: threads of any processes exchange messages and synchronize inside named groups.
//!
//! A group has an id, some bytes that programs agree on. Whoever [installs](Group::install) a
//! group finds the one with this id, or makes it. Then messages are [sent](Group::send), and each
//! is [received](Group::receive) by exactly one of those who ask, first in, first out.
//!
//! ```no_run
//! use lgroups::Group;
//!
//! # fn main() -> Result<(), lgroups::Error> {
//! let kitchen = Group::install("kitchen")?;
//! kitchen.send(b"is there coffee?")?;
//! if let Some(message) = kitchen.receive()? {
//!     println!("{}", String::from_utf8_lossy(&message));
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Messages may be [delayed](Group::set_delay), and those that are may be
//! [revoked](Group::revoke) or [flushed](Group::flush). Threads may sleep on the group's
//! [barrier](Group::barrier) until somebody awakes it.
//!
//! All of it can be used by any number of threads at once. The C API, `lgroups.h`, is the same
//! library; see lgroups(3). The device that is behind it is in groups(4).
//!
//! # Features
//!
//! - `capi` (default): the symbols of the C API
//! - `tokio`: `AsyncGroup`, whose `receive` is a future

mod barrier;
#[cfg(feature = "capi")]
pub mod capi;
mod device;
mod error;
mod group;
mod info;
mod limits;
mod sys;
#[cfg(feature = "tokio")]
mod tokio;

#[cfg(feature = "tokio")]
pub use crate::tokio::AsyncGroup;
pub use barrier::{Awoken, Barrier};
pub use error::{Error, Stage};
pub use group::{Group, MAX_ID_SIZE};
pub use info::{GroupInfo, list};
pub use limits::Limits;

/// What the functions of this crate return.
pub type Result<T> = std::result::Result<T, Error>;
