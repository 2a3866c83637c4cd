// SPDX-License-Identifier: GPL-2.0

//! What the kernel crate lacks: all of the module's `unsafe` code lives in this folder.
//!
//! Each file wraps one mechanism of the kernel in a type that safe code cannot misuse, in the
//! manner of the kernel crate's own abstractions. Nothing here knows what a group is.

pub(crate) mod attribute;
pub(crate) mod buffer;
pub(crate) mod chrdev;
pub(crate) mod clock;
mod constants;
pub(crate) mod device;
pub(crate) mod file;
pub(crate) mod later;
pub(crate) mod once;
pub(crate) mod parcel;
pub(crate) mod schedule;
pub(crate) mod wait;
pub(crate) mod xxhash;
