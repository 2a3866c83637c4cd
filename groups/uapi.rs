// SPDX-License-Identifier: GPL-2.0

//! The numbers that programs and the module share: `include/groups.h`, in Rust.
//!
//! Kbuild checks every constant here against the header: each is turned into an assertion that C
//! evaluates (`uapi_check` in Kbuild). So each stands on one line, as a literal.

/// Size of `struct group_t`'s field `id`.
pub(crate) const GROUP_ID_SIZE: usize = 32;
/// Size of `struct group_t`'s field `devname`, which follows `id` without a gap.
pub(crate) const GROUP_DEVNAME_SIZE: usize = 26;

/// `_IOWR('x', 3, struct group_t)`
pub(crate) const INSTALL_GROUP: u32 = 0xc03a_7803;
/// [`INSTALL_GROUP`] of the C implementation, on 64-bit machines.
pub(crate) const INSTALL_GROUP_LEGACY: u32 = 0xc008_7803;
/// `FIONREAD`, of `asm/ioctls.h`
pub(crate) const FIONREAD: u32 = 0x541b;
