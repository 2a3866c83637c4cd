// SPDX-License-Identifier: GPL-2.0

//! The C API, which `include/lgroups.h` declares.
//!
//! The header is made from this file: `cargo test --test header` says whether it still is what it
//! should be, and with `LGROUPS_WRITE_HEADER=1` writes it. So the words here are for programmers
//! of C.
//!
//! No function unwinds, and none changes `errno` if it does not fail.

use crate::limits::{self, MAX_MESSAGE_SIZE, MAX_STORAGE_SIZE};
use crate::{Awoken, Error, Group, MAX_ID_SIZE, Stage, sys};
use rustix::fd::{AsFd, AsRawFd};
use rustix::io::Errno;
use std::alloc::{Layout, alloc};
use std::ffi::{CStr, c_char, c_int, c_uint, c_ulong, c_void};
use std::mem::MaybeUninit;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

/// A group that the process has open, or none yet.
///
/// Threads may use one at the same time, and each of them another.
#[allow(non_camel_case_types, reason = "its name in C")]
pub struct lgroup_t {
    /// Whoever uses the group has a share of it meanwhile, so that install_group() may give the
    /// lgroup another one at any time.
    group: Mutex<Option<Arc<Group>>>,
}

/// The group of an lgroup. `None`: not installed, or no lgroup.
///
/// # Safety
///
/// `lgroup` is NULL, or from [`lgroup_init`] and not destroyed.
unsafe fn group_of(lgroup: *mut lgroup_t) -> Option<Arc<Group>> {
    // SAFETY: By the safety requirements.
    let lgroup = unsafe { lgroup.as_ref() }?;
    let group = lgroup.group.lock().unwrap_or_else(PoisonError::into_inner);
    group.clone()
}

/// Why a call fails: what it returns, and `errno`.
struct Failure(c_int, Errno);

const NOT_INSTALLED: Errno = Errno::BADF;

/// Ends a call.
fn finish(call: impl FnOnce() -> Result<c_int, Failure>) -> c_int {
    // There is nothing that panics; if it does all the same, C must not see it.
    let result = catch_unwind(AssertUnwindSafe(call));
    match result.unwrap_or(Err(Failure(-2, Errno::IO))) {
        Ok(value) => value,
        Err(Failure(value, err)) => {
            errno::set_errno(errno::Errno(err.raw_os_error()));
            value
        }
    }
}

/// A call of a group's device: -1: not installed; -2: it failed.
///
/// # Safety
///
/// As for [`group_of`].
unsafe fn on_group(
    lgroup: *mut lgroup_t,
    call: impl FnOnce(&Group) -> Result<c_int, Errno>,
) -> c_int {
    // SAFETY: By the safety requirements.
    finish(|| match unsafe { group_of(lgroup) } {
        Some(group) => call(&group).map_err(|err| Failure(-2, err)),
        None => Err(Failure(-1, NOT_INSTALLED)),
    })
}

fn errno_of(err: Error) -> Errno {
    Errno::from_raw_os_error(err.errno())
}

/// A number of bytes; no call transfers more than fits.
fn count(size: usize) -> c_int {
    c_int::try_from(size).unwrap_or(c_int::MAX)
}

/// Makes an lgroup, without a group. NULL: out of memory.
#[unsafe(no_mangle)]
pub extern "C" fn lgroup_init() -> *mut lgroup_t {
    // SAFETY: An lgroup has a size, for the mutex has.
    let lgroup = unsafe { alloc(Layout::new::<lgroup_t>()) }.cast::<lgroup_t>();
    if lgroup.is_null() {
        errno::set_errno(errno::Errno(Errno::NOMEM.raw_os_error()));
    } else {
        let group = Mutex::new(None);
        // SAFETY: It was just allocated, for one of these.
        unsafe { lgroup.write(lgroup_t { group }) };
    }
    lgroup
}

/// Closes the group's device, which flushes the group, and frees the lgroup. NULL is fine.
///
/// No thread is to use the lgroup any more.
///
/// # Safety
///
/// `lgroup` is NULL, or from [`lgroup_init`] and not destroyed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lgroup_destroy(lgroup: *mut lgroup_t) {
    if !lgroup.is_null() {
        finish(|| {
            // SAFETY: By the safety requirements; the allocator is that of a box.
            drop(unsafe { Box::from_raw(lgroup) });
            Ok(0)
        });
    }
}

/// Finds the group with this id, or makes it, and opens its device.
///
/// The id is the bytes up to the NUL, or the first 32 of them. If the lgroup has a group, that is
/// closed first, which flushes it.
///
/// Returns 1: made; 0: was there; -1: the module is not loaded (group0 cannot be opened); -2: no
/// groups left; -3: the ioctl failed (EINVAL: the id is empty); -4: was there, but its device did
/// not open; -5: made, but its device did not open. errno says more.
///
/// # Safety
///
/// `lgroup` is as for [`lgroup_destroy`], `group_id` NULL or a C string, or 32 bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn install_group(lgroup: *mut lgroup_t, group_id: *mut c_char) -> c_int {
    finish(|| {
        // SAFETY: By the safety requirements.
        let Some(lgroup) = (unsafe { lgroup.as_ref() }) else {
            return Err(Failure(-3, Errno::INVAL));
        };
        if group_id.is_null() {
            return Err(Failure(-3, Errno::INVAL));
        }
        // SAFETY: By the safety requirements.
        let id = unsafe { read_id(group_id) };
        let control = Group::control().map_err(install_failure)?;
        // Nobody who uses the old group is kept waiting.
        let old = lgroup
            .group
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        drop(old);
        let group = Group::install_with(control, &id).map_err(install_failure)?;
        let made = group.was_made();
        let old = lgroup
            .group
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .replace(Arc::new(group));
        drop(old);
        Ok(made.into())
    })
}

fn install_failure(err: Error) -> Failure {
    let value = match err {
        Error::NotLoaded { .. } => -1,
        Error::NoGroupsLeft => -2,
        Error::Device { made: false, .. } => -4,
        Error::Device { made: true, .. } => -5,
        _ => -3,
    };
    Failure(value, errno_of(err))
}

/// The bytes up to the NUL, or the first ones, and NULs behind them.
///
/// # Safety
///
/// `from` is a C string, or as many bytes.
unsafe fn read_id(from: *const c_char) -> [u8; MAX_ID_SIZE] {
    let mut id = [0; MAX_ID_SIZE];
    for (n, byte) in id.iter_mut().enumerate() {
        // SAFETY: None of the bytes before it is NUL, so this one is part of the string.
        *byte = unsafe { *from.add(n) } as u8;
        if *byte == 0 {
            break;
        }
    }
    id
}

/// Sends the string, with its NUL, as one message.
///
/// Returns the bytes sent; -1: not installed; -2: the write failed: errno is EBADMSG (the string
/// is empty), EMSGSIZE (larger than max_message_size), ENOSPC (no room now), ENOMEM.
///
/// # Safety
///
/// `lgroup` is as for [`lgroup_destroy`], `msg` NULL or a C string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn publish_message(lgroup: *mut lgroup_t, msg: *mut c_char) -> c_int {
    // SAFETY: By the safety requirements.
    unsafe {
        on_group(lgroup, |group| {
            if msg.is_null() {
                return Err(Errno::FAULT);
            }
            let msg = CStr::from_ptr(msg).to_bytes_with_nul();
            rustix::io::write(group.as_fd(), msg).map(count)
        })
    }
}

/// Sends size bytes as one message.
///
/// Returns as publish_message().
///
/// # Safety
///
/// `lgroup` is as for [`lgroup_destroy`], `msg` NULL or `size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn publish_bytes(
    lgroup: *mut lgroup_t,
    msg: *const c_void,
    size: c_ulong,
) -> c_int {
    // SAFETY: By the safety requirements.
    unsafe {
        on_group(lgroup, |group| {
            let msg = match (msg.is_null(), isize::try_from(size)) {
                (true, _) => return Err(Errno::FAULT),
                (_, Err(_)) => return Err(Errno::MSGSIZE),
                (_, Ok(size)) => std::slice::from_raw_parts(msg.cast::<u8>(), size as usize),
            };
            rustix::io::write(group.as_fd(), msg).map(count)
        })
    }
}

/// Takes the group's first message and copies it to buf. Of a message larger than size, the rest
/// is lost.
///
/// It does not wait for a message, unless set_receive_timeout() says so.
///
/// Returns the bytes copied; 0: there is no message; -1: not installed; -2: the read failed
/// (EINTR: a signal came while it waited).
///
/// # Safety
///
/// `lgroup` is as for [`lgroup_destroy`], `buf` NULL or room for `size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn deliver_message(
    lgroup: *mut lgroup_t,
    buf: *mut c_char,
    size: c_ulong,
) -> c_int {
    // SAFETY: By the safety requirements; what has not been written is not read.
    unsafe {
        on_group(lgroup, |group| {
            if buf.is_null() {
                return Err(Errno::FAULT);
            }
            let size = isize::try_from(size).unwrap_or(isize::MAX) as usize;
            // No message is larger, whatever the buffer's size was said to be.
            let size = size.min(c_int::MAX as usize);
            let buf = std::slice::from_raw_parts_mut(buf.cast::<MaybeUninit<u8>>(), size);
            match rustix::io::read(group.as_fd(), buf) {
                Ok((message, _)) => Ok(count(message.len())),
                // Of a file that somebody made O_NONBLOCK.
                Err(Errno::AGAIN) => Ok(0),
                Err(err) => Err(err),
            }
        })
    }
}

/// The size of the message that deliver_message() would take, 0 if there is none.
///
/// Somebody else may take it meanwhile.
///
/// Returns 0; -1: not installed; -2: the ioctl failed.
///
/// # Safety
///
/// `lgroup` is as for [`lgroup_destroy`], `size` NULL or to a number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn get_message_size(lgroup: *mut lgroup_t, size: *mut c_ulong) -> c_int {
    // SAFETY: By the safety requirements.
    unsafe {
        on_group(lgroup, |group| {
            let first = rustix::io::ioctl_fionread(group.as_fd())?;
            *size.as_mut().ok_or(Errno::FAULT)? = c_ulong::try_from(first).unwrap_or(c_ulong::MAX);
            Ok(0)
        })
    }
}

/// Sets how long deliver_message() waits for a message, for this lgroup: ms milliseconds; 0, as
/// in the beginning: not at all; -1: without end. One message wakes one of those who wait.
///
/// Returns 0; -1: not installed; -2: the ioctl failed (EINVAL: below -1).
///
/// # Safety
///
/// `lgroup` is as for [`lgroup_destroy`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn set_receive_timeout(lgroup: *mut lgroup_t, ms: c_int) -> c_int {
    // SAFETY: By the safety requirements.
    unsafe {
        on_group(lgroup, |group| {
            sys::set_receive_timeout(group, ms).map(|()| 0)
        })
    }
}

/// Has the messages that anybody sends to the group from now on delayed by ms milliseconds; 0: not
/// at all.
///
/// Returns 0; -1: not installed; -2: the ioctl failed.
///
/// # Safety
///
/// `lgroup` is as for [`lgroup_destroy`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn set_send_delay(lgroup: *mut lgroup_t, ms: c_uint) -> c_int {
    // SAFETY: By the safety requirements.
    unsafe { on_group(lgroup, |group| sys::set_send_delay(group, ms).map(|()| 0)) }
}

/// Discards all messages of the group whose delay has not run out.
///
/// Returns 0; -1: not installed; -2: the ioctl failed.
///
/// # Safety
///
/// `lgroup` is as for [`lgroup_destroy`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn revoke_delayed_messages(lgroup: *mut lgroup_t) -> c_int {
    // SAFETY: By the safety requirements.
    unsafe {
        on_group(lgroup, |group| {
            sys::revoke_delayed_messages(group).map(|()| 0)
        })
    }
}

/// Makes all delayed messages of the group available now, in the order in which they are due.
///
/// Returns 0; -1: not installed; -2: the fsync failed.
///
/// # Safety
///
/// `lgroup` is as for [`lgroup_destroy`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flush_delayed_messages(lgroup: *mut lgroup_t) -> c_int {
    // SAFETY: By the safety requirements.
    unsafe { on_group(lgroup, |group| rustix::fs::fsync(group).map(|()| 0)) }
}

/// Sleeps until somebody awakes the group's barrier.
///
/// Returns 0; -1: not installed; -2: the ioctl failed (EINTR: a signal came).
///
/// # Safety
///
/// `lgroup` is as for [`lgroup_destroy`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleep_on_barrier(lgroup: *mut lgroup_t) -> c_int {
    // SAFETY: By the safety requirements.
    unsafe { on_group(lgroup, |group| sys::sleep_on_barrier(group).map(|()| 0)) }
}

/// Wakes everybody who sleeps on the group's barrier.
///
/// Returns 0: they wake up now; 1: they were awoken before, and the last of them has not left yet;
/// 2: nobody sleeps; -1: not installed; -2: the ioctl failed.
///
/// # Safety
///
/// `lgroup` is as for [`lgroup_destroy`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn awake_barrier(lgroup: *mut lgroup_t) -> c_int {
    // SAFETY: By the safety requirements.
    unsafe {
        on_group(lgroup, |group| {
            Ok(match group.barrier().awake().map_err(errno_of)? {
                Awoken::Now => 0,
                Awoken::Before => 1,
                Awoken::Nobody => 2,
            })
        })
    }
}

/// The file descriptor of the group's device, for poll() and the like: it is readable while there
/// is a message, and writable while there is room. The lgroup keeps it, and closes it.
///
/// Returns it; -1: not installed.
///
/// # Safety
///
/// `lgroup` is as for [`lgroup_destroy`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn get_group_fd(lgroup: *mut lgroup_t) -> c_int {
    // SAFETY: By the safety requirements.
    unsafe { on_group(lgroup, |group| Ok(group.as_raw_fd())) }
}

/// The largest message that may be sent to the group, in bytes.
///
/// Returns 0; -1: not installed; -2: its file in sysfs could not be opened; -3: or not read.
///
/// # Safety
///
/// `lgroup` is as for [`lgroup_destroy`], `size` NULL or to a number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn get_max_message_size(lgroup: *mut lgroup_t, size: *mut c_ulong) -> c_int {
    // SAFETY: By the safety requirements.
    unsafe { get_limit(lgroup, MAX_MESSAGE_SIZE, size) }
}

/// How much all messages of the group together may hold, in bytes.
///
/// Returns as get_max_message_size().
///
/// # Safety
///
/// `lgroup` is as for [`lgroup_destroy`], `size` NULL or to a number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn get_max_storage_size(lgroup: *mut lgroup_t, size: *mut c_ulong) -> c_int {
    // SAFETY: By the safety requirements.
    unsafe { get_limit(lgroup, MAX_STORAGE_SIZE, size) }
}

/// Sets the largest message that may be sent to the group, in bytes.
///
/// Returns 0; -1: not root; -2: not installed; -3: its file in sysfs could not be opened; -4: or
/// not written.
///
/// # Safety
///
/// `lgroup` is as for [`lgroup_destroy`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn set_max_message_size(lgroup: *mut lgroup_t, size: c_ulong) -> c_int {
    // SAFETY: By the safety requirements.
    unsafe { set_limit(lgroup, MAX_MESSAGE_SIZE, size) }
}

/// Sets how much all messages of the group together may hold, in bytes. What is stored stays.
///
/// Returns as set_max_message_size().
///
/// # Safety
///
/// `lgroup` is as for [`lgroup_destroy`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn set_max_storage_size(lgroup: *mut lgroup_t, size: c_ulong) -> c_int {
    // SAFETY: By the safety requirements.
    unsafe { set_limit(lgroup, MAX_STORAGE_SIZE, size) }
}

/// # Safety
///
/// As for [`get_max_message_size`].
unsafe fn get_limit(lgroup: *mut lgroup_t, attribute: &str, size: *mut c_ulong) -> c_int {
    finish(|| {
        // SAFETY: By the safety requirements.
        let group = unsafe { group_of(lgroup) }.ok_or(Failure(-1, NOT_INSTALLED))?;
        // SAFETY: By the safety requirements.
        let size = unsafe { size.as_mut() }.ok_or(Failure(-3, Errno::FAULT))?;
        let limit = limits::read_number(group.device_name(), attribute).map_err(|err| {
            let open = matches!(
                err,
                Error::Attribute {
                    stage: Stage::Open,
                    ..
                }
            );
            Failure(if open { -2 } else { -3 }, errno_of(err))
        })?;
        *size = c_ulong::try_from(limit).map_err(|_| Failure(-3, Errno::OVERFLOW))?;
        Ok(0)
    })
}

/// # Safety
///
/// As for [`set_max_message_size`].
unsafe fn set_limit(lgroup: *mut lgroup_t, attribute: &str, size: c_ulong) -> c_int {
    finish(|| {
        if !rustix::process::geteuid().is_root() {
            return Err(Failure(-1, Errno::PERM));
        }
        // SAFETY: By the safety requirements.
        let group = unsafe { group_of(lgroup) }.ok_or(Failure(-2, NOT_INSTALLED))?;
        #[allow(clippy::useless_conversion, reason = "it has 32 bits on some machines")]
        let size = u64::from(size);
        limits::write_number(group.device_name(), attribute, size).map_err(|err| {
            let open = matches!(
                err,
                Error::Attribute {
                    stage: Stage::Open,
                    ..
                }
            );
            Failure(if open { -3 } else { -4 }, errno_of(err))
        })?;
        Ok(0)
    })
}
