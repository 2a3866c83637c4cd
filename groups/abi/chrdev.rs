// SPDX-License-Identifier: GPL-2.0

//! Character devices: their numbers, and what opening them does.
//!
//! C header: [`include/linux/cdev.h`](srctree/include/linux/cdev.h)

use super::file::{
    FileOperations,
    Vtable, //
};
use core::marker::PhantomPinned;
use kernel::{
    bindings,
    error::to_result,
    prelude::*,
    types::Opaque, //
};

/// The largest number of minors that one major has.
pub(crate) const MAX_MINORS: u32 = 1 << bindings::MINORBITS;

/// The number of one character device: a major and a minor.
#[derive(Clone, Copy)]
pub(crate) struct DeviceNumber(bindings::dev_t);

impl DeviceNumber {
    /// As C has it.
    pub(super) fn as_raw(self) -> bindings::dev_t {
        self.0
    }
}

/// A range of device numbers under a major that the kernel chose, with minors from 0.
///
/// # Invariants
///
/// The `count` numbers from `first` on are registered to us; `first` has the minor 0.
pub(crate) struct NumberRegion {
    first: bindings::dev_t,
    count: u32,
}

impl NumberRegion {
    /// Reserves `count` numbers. Process context; sleeps.
    ///
    /// [`EINVAL`]: there are no, or more than [`MAX_MINORS`], numbers to reserve; [`EBUSY`]: no
    /// major is free; [`ENOMEM`].
    pub(crate) fn register(name: &'static CStr, count: u32) -> Result<Self> {
        if count == 0 || count > MAX_MINORS {
            return Err(EINVAL);
        }
        let mut first = 0;
        // SAFETY: `first` is valid for writes, and `name` is static.
        to_result(unsafe {
            bindings::alloc_chrdev_region(&mut first, 0, count, name.as_char_ptr())
        })?;
        // INVARIANT: The numbers were registered just now.
        Ok(Self { first, count })
    }

    /// The major that the kernel chose.
    pub(crate) fn major(&self) -> u32 {
        self.first >> bindings::MINORBITS
    }

    /// The number with this minor. `None`: it is not in the range.
    pub(crate) fn number(&self, minor: u32) -> Option<DeviceNumber> {
        // `first` has the minor 0, and `minor` is below `MAX_MINORS`, so they share no bits.
        (minor < self.count).then_some(DeviceNumber(self.first | minor))
    }
}

impl Drop for NumberRegion {
    fn drop(&mut self) {
        // SAFETY: By the type invariant the numbers are ours.
        unsafe { bindings::unregister_chrdev_region(self.first, self.count) };
    }
}

/// A character device that is live: opening a node with one of its numbers calls `T`.
///
/// Dropping it ends that for new opens. Files that are open hold the module, so that there are
/// none when it is unloaded.
///
/// # Invariants
///
/// `raw` is a `struct cdev` that has been added, but for the time of its initialization.
#[pin_data(PinnedDrop)]
pub(crate) struct CharDevice<T: FileOperations> {
    // What C sees comes first, and is dropped first.
    #[pin]
    raw: Opaque<bindings::cdev>,
    context: T::Context,
    #[pin]
    _pin: PhantomPinned,
}

// SAFETY: A character device may be removed from any thread.
unsafe impl<T: FileOperations> Send for CharDevice<T> where T::Context: Send {}
// SAFETY: All that can be done with a shared reference is to get the context.
unsafe impl<T: FileOperations> Sync for CharDevice<T> where T::Context: Sync {}

impl<T: FileOperations> CharDevice<T> {
    /// Makes the numbers of `region` live.
    ///
    /// From this moment on files may be opened, and while any is, the module's memory is in use.
    /// So this has to be the last step of loading that can fail. Process context; sleeps.
    pub(crate) fn add(
        region: &NumberRegion,
        context: T::Context,
    ) -> impl PinInit<Self, Error> + use<'_, T> {
        try_pin_init!(Self {
            context,
            raw <- Opaque::try_ffi_init(|slot: *mut bindings::cdev| {
                // SAFETY: The initializer may write to `slot`, and the vtable is static.
                unsafe { bindings::cdev_init(slot, Vtable::<T>::get()) };
                // SAFETY: As above; `cdev_init` made it a `struct cdev`. This keeps the module
                // from being unloaded while a file is open.
                unsafe { (*slot).owner = <T::OwnerModule as kernel::ModuleMetadata>::THIS_MODULE.as_ptr() };
                // SAFETY: `slot` stays where it is until it is deleted on drop; the numbers are
                // registered to us.
                to_result(unsafe { bindings::cdev_add(slot, region.first, region.count) })
            }),
            _pin: PhantomPinned,
        })
    }

    /// The context of the device that `inode` belongs to.
    ///
    /// # Safety
    ///
    /// `inode` must be valid, belong to a `CharDevice<T>`, and be in its `open` call.
    pub(super) unsafe fn context<'a>(inode: *const bindings::inode) -> &'a T::Context {
        // SAFETY: By the safety requirements the inode is valid; that it is being opened means
        // that its `i_cdev` is set.
        let cdev = unsafe { (*inode).__bindgen_anon_5.i_cdev };
        // SAFETY: By the safety requirements the `cdev` is that of a `CharDevice<T>`, which is
        // there as long as the module is, which the file that is being opened holds.
        let this = unsafe { &*kernel::container_of!(Opaque::cast_from(cdev), Self, raw) };
        &this.context
    }
}

#[pinned_drop]
impl<T: FileOperations> PinnedDrop for CharDevice<T> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: By the type invariant it has been added.
        unsafe { bindings::cdev_del(self.raw.get()) };
    }
}
