// SPDX-License-Identifier: GPL-2.0

//! What can be done with an open file of a character device.
//!
//! C header: [`include/linux/fs.h`](srctree/include/linux/fs.h)
//!
//! Reference: <https://docs.kernel.org/filesystems/vfs.html#struct-file-operations>

use super::{
    buffer::{
        Sink,
        Source,
        UserBuffer, //
    },
    chrdev::CharDevice,
    constants,
    wait::{
        Events,
        WaitQueue, //
    },
};
use core::marker::PhantomData;
use kernel::{
    bindings,
    iov::{
        IovIterDest,
        IovIterSource, //
    },
    prelude::*,
    types::ForeignOwnable, //
};

/// What a call may not do.
#[derive(Clone, Copy)]
pub(crate) struct CallFlags {
    /// The file is open with `O_NONBLOCK`.
    pub(crate) nonblock: bool,
    /// This call must not wait, whatever the file says: it answers [`EAGAIN`] instead, and the
    /// kernel waits with [`FileOperations::poll`] and calls again (io_uring, `RWF_NOWAIT`).
    pub(crate) nowait: bool,
}

/// The operations of a character device's open files.
///
/// Files are streams: they have no position, and calls on one file run at the same time. All
/// functions are called in process context and may sleep.
#[vtable]
pub(crate) trait FileOperations: Sized + Send + Sync + 'static {
    /// What opening a file has to work with: it belongs to the [`CharDevice`].
    type Context: Send + Sync + 'static;

    /// Opens the device with this minor. The result lives until the last descriptor of the file
    /// has been closed, and is dropped then.
    fn open(context: &Self::Context, minor: u32) -> Result<Pin<KBox<Self>>>;

    /// Reads into `to` (`read`, `readv`, io_uring): all of its buffers at once. Returns how many
    /// bytes were put there.
    fn read<S: Sink>(&self, to: &mut S, flags: CallFlags) -> Result<usize>;

    /// Writes what `from` has (`write`, `writev`, io_uring): all of its buffers at once. Returns
    /// how many bytes were taken.
    fn write<S: Source>(&self, from: &mut S) -> Result<usize>;

    /// Carries out a command on the file.
    ///
    /// 32-bit programs' calls arrive here too, their argument taken for a pointer.
    fn ioctl(&self, command: u32, arg: usize) -> Result<c_int>;

    /// Where to wait for the file's events to change.
    fn pollers(&self) -> &WaitQueue;

    /// The file's events that are there now. Must not sleep.
    fn poll(&self) -> Events;

    /// A descriptor of the file is closed, by whatever means, or the file is synced (`fsync`).
    fn flush(&self);
}

/// Builds the `struct file_operations` that calls `T`.
pub(super) struct Vtable<T>(PhantomData<T>);

impl<T: FileOperations> Vtable<T> {
    const VTABLE: bindings::file_operations = bindings::file_operations {
        owner: <T::OwnerModule as kernel::ModuleMetadata>::THIS_MODULE.as_ptr(),
        open: Some(Self::open),
        release: Some(Self::release),
        // One buffer takes the short way, without an iterator; all others take the long one.
        read: Some(Self::read),
        write: Some(Self::write),
        read_iter: Some(Self::read_iter),
        write_iter: Some(Self::write_iter),
        unlocked_ioctl: Some(Self::ioctl),
        compat_ioctl: bindings::compat_ptr_ioctl,
        poll: Some(Self::poll),
        flush: Some(Self::flush),
        fsync: Some(Self::fsync),
        ..pin_init::zeroed()
    };

    /// The operations, in the form that C takes.
    pub(super) fn get() -> &'static bindings::file_operations {
        &Self::VTABLE
    }

    /// The `T` of a file.
    ///
    /// # Safety
    ///
    /// `file` must be a valid file of a `CharDevice<T>`, which has been opened and not released
    /// for as long as `'a` lasts.
    unsafe fn private<'a>(file: *const bindings::file) -> Pin<&'a T> {
        // SAFETY: By the safety requirements `file` is valid, and `open` put a `Pin<KBox<T>>`
        // there, which `release` takes away.
        unsafe { <Pin<KBox<T>> as ForeignOwnable>::borrow((*file).private_data) }
    }

    /// # Safety
    ///
    /// `inode` and `file` must be those of a file of a `CharDevice<T>` that is being opened.
    unsafe extern "C" fn open(inode: *mut bindings::inode, file: *mut bindings::file) -> c_int {
        // SAFETY: By the safety requirements. This makes the file a stream: no position, no lock
        // around each call, and `ESPIPE` for whatever wants a position. It always succeeds.
        unsafe { bindings::stream_open(inode, file) };
        // SAFETY: The mode of a file that is being opened is ours to change. This says that calls
        // heed `CallFlags::nowait`.
        unsafe { (*file).f_mode |= constants::FMODE_NOWAIT };
        // SAFETY: By the safety requirements.
        let context = unsafe { CharDevice::<T>::context(inode) };
        // SAFETY: By the safety requirements the inode is valid; its number does not change.
        let minor = unsafe { (*inode).i_rdev } & ((1 << bindings::MINORBITS) - 1);

        match T::open(context, minor) {
            Ok(private) => {
                // SAFETY: The private data of a file that is being opened is ours to set.
                unsafe { (*file).private_data = private.into_foreign() };
                0
            }
            Err(err) => err.to_errno(),
        }
    }

    /// # Safety
    ///
    /// `file` must be a file of a `CharDevice<T>` that nobody uses any more.
    unsafe extern "C" fn release(_inode: *mut bindings::inode, file: *mut bindings::file) -> c_int {
        // SAFETY: By the safety requirements: `open` put it there, and this is called once.
        drop(unsafe { <Pin<KBox<T>> as ForeignOwnable>::from_foreign((*file).private_data) });
        0
    }

    /// Whether a file is open with `O_NONBLOCK`.
    ///
    /// # Safety
    ///
    /// `file` must be a valid file.
    unsafe fn nonblock(file: *const bindings::file) -> bool {
        // SAFETY: By the safety requirements. `fcntl` may change the flags at any time; a call goes
        // by what it sees.
        let flags = unsafe { (&raw const (*file).f_flags).read_volatile() };
        flags & bindings::O_NONBLOCK != 0
    }

    /// What a call that moved so many bytes, or failed, returns to C.
    #[inline(always)]
    fn answer(result: Result<usize>) -> isize {
        match result {
            // The count is within the caller's buffers, which hold `MAX_RW_COUNT` bytes at most.
            Ok(count) => count as isize,
            Err(err) => err.to_errno() as isize,
        }
    }

    /// # Safety
    ///
    /// `file` must be an open file of a `CharDevice<T>`.
    unsafe extern "C" fn read(
        file: *mut bindings::file,
        buffer: *mut c_char,
        len: usize,
        _position: *mut bindings::loff_t,
    ) -> isize {
        // SAFETY: By the safety requirements.
        let private = unsafe { Self::private(file) };
        let flags = CallFlags {
            // SAFETY: By the safety requirements.
            nonblock: unsafe { Self::nonblock(file) },
            nowait: false,
        };
        let to = &mut UserBuffer::new(UserPtr::from_ptr(buffer.cast()), len);
        Self::answer(private.read(to, flags))
    }

    /// # Safety
    ///
    /// `file` must be an open file of a `CharDevice<T>`.
    unsafe extern "C" fn write(
        file: *mut bindings::file,
        buffer: *const c_char,
        len: usize,
        _position: *mut bindings::loff_t,
    ) -> isize {
        // SAFETY: By the safety requirements.
        let private = unsafe { Self::private(file) };
        let from = &mut UserBuffer::new(UserPtr::from_ptr(buffer.cast_mut().cast()), len);
        Self::answer(private.write(from))
    }

    /// # Safety
    ///
    /// `kiocb` must be valid and belong to an open file of a `CharDevice<T>`; `iter` must be a
    /// valid destination.
    unsafe extern "C" fn read_iter(
        kiocb: *mut bindings::kiocb,
        iter: *mut bindings::iov_iter,
    ) -> isize {
        // SAFETY: By the safety requirements.
        let private = unsafe { Self::private((*kiocb).ki_filp) };
        // SAFETY: By the safety requirements; nobody else uses `iter` during the call.
        let to = unsafe { IovIterDest::from_raw(iter) };
        // SAFETY: By the safety requirements.
        let nowait = unsafe { (*kiocb).ki_flags } & constants::IOCB_NOWAIT != 0;
        // SAFETY: As above.
        let nonblock = unsafe { Self::nonblock((*kiocb).ki_filp) };

        Self::answer(private.read(to, CallFlags { nonblock, nowait }))
    }

    /// # Safety
    ///
    /// `kiocb` must be valid and belong to an open file of a `CharDevice<T>`; `iter` must be a
    /// valid source.
    unsafe extern "C" fn write_iter(
        kiocb: *mut bindings::kiocb,
        iter: *mut bindings::iov_iter,
    ) -> isize {
        // SAFETY: By the safety requirements.
        let private = unsafe { Self::private((*kiocb).ki_filp) };
        // SAFETY: By the safety requirements; nobody else uses `iter` during the call.
        let from = unsafe { IovIterSource::from_raw(iter) };

        Self::answer(private.write(from))
    }

    /// # Safety
    ///
    /// `file` must be an open file of a `CharDevice<T>`.
    unsafe extern "C" fn ioctl(file: *mut bindings::file, command: c_uint, arg: c_ulong) -> c_long {
        // SAFETY: By the safety requirements.
        let private = unsafe { Self::private(file) };
        match private.ioctl(command, arg) {
            // On every architecture a `long` holds an `int`.
            Ok(value) => value as c_long,
            Err(err) => err.to_errno() as c_long,
        }
    }

    /// # Safety
    ///
    /// `file` must be an open file of a `CharDevice<T>`, and `table` null or valid.
    unsafe extern "C" fn poll(
        file: *mut bindings::file,
        table: *mut bindings::poll_table,
    ) -> bindings::__poll_t {
        // SAFETY: By the safety requirements.
        let private = unsafe { Self::private(file) }.get_ref();
        // SAFETY: By the safety requirements. The wait queue has to stay until the last poller is
        // gone, which it is before `release` is called: until then `private` is only ever shared,
        // and what a shared reference to it lends for as long as it lasts, stays.
        unsafe { bindings::poll_wait(file, private.pollers().as_ptr(), table) };
        private.poll().as_raw()
    }

    /// # Safety
    ///
    /// `file` must be an open file of a `CharDevice<T>`.
    unsafe extern "C" fn flush(file: *mut bindings::file, _id: bindings::fl_owner_t) -> c_int {
        // SAFETY: By the safety requirements.
        unsafe { Self::private(file) }.flush();
        0
    }

    /// # Safety
    ///
    /// `file` must be an open file of a `CharDevice<T>`.
    unsafe extern "C" fn fsync(
        file: *mut bindings::file,
        _start: bindings::loff_t,
        _end: bindings::loff_t,
        _datasync: c_int,
    ) -> c_int {
        // SAFETY: By the safety requirements.
        unsafe { Self::private(file) }.flush();
        0
    }
}
