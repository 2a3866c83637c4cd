// SPDX-License-Identifier: GPL-2.0

//! The numbers that programs and the module share: `include/groups.h`, in Rust.
//!
//! Kbuild checks every constant here against the header: each is turned into an assertion that C
//! evaluates (`uapi_check` in Kbuild). So each stands on one line, as a literal.

/// Size of `struct group_t`'s field `id`.
pub(crate) const GROUP_ID_SIZE: usize = 32;
/// Size of `struct group_t`'s field `devname`, which follows `id` without a gap.
pub(crate) const GROUP_DEVNAME_SIZE: usize = 26;

/// `_IO('x', 1)`
pub(crate) const SLEEP_ON_BARRIER: u32 = 0x7801;
/// `_IO('x', 2)`
pub(crate) const AWAKE_BARRIER: u32 = 0x7802;
/// `_IOWR('x', 3, struct group_t)`
pub(crate) const INSTALL_GROUP: u32 = 0xc03a_7803;
/// [`INSTALL_GROUP`] of the C implementation, on 64-bit machines.
pub(crate) const INSTALL_GROUP_LEGACY: u32 = 0xc008_7803;
/// `_IOW('x', 4, __u32)`
pub(crate) const SET_SEND_DELAY: u32 = 0x4004_7804;
/// [`SET_SEND_DELAY`] of the C implementation, on 64-bit machines.
pub(crate) const SET_SEND_DELAY_LEGACY: u32 = 0x4008_7804;
/// `_IO('x', 5)`
pub(crate) const REVOKE_DELAYED_MESSAGES: u32 = 0x7805;
/// `_IOW('x', 6, __s32)`
pub(crate) const SET_RECEIVE_TIMEOUT: u32 = 0x4004_7806;
/// `FIONREAD`, of `asm/ioctls.h`
pub(crate) const FIONREAD: u32 = 0x541b;
