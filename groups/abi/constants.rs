// SPDX-License-Identifier: GPL-2.0

//! Constants of the kernel that its bindings lack, because C computes them with casts.
//!
//! Kbuild checks every constant here against the kernel's headers, as it does those of
//! `groups/uapi.rs`. So each stands on one line, as a literal.

/// `file.f_mode`: the file heeds [`IOCB_NOWAIT`].
pub(crate) const FMODE_NOWAIT: u32 = 0x0800_0000;
/// `kiocb.ki_flags`: do not wait.
pub(crate) const IOCB_NOWAIT: i32 = 0x8;
