// SPDX-License-Identifier: GPL-2.0

//! Device classes, and devices of them.
//!
//! C headers: [`include/linux/device.h`](srctree/include/linux/device.h),
//! [`include/linux/device/class.h`](srctree/include/linux/device/class.h)

use super::{
    attribute::AttributeRef,
    chrdev::DeviceNumber, //
};
use core::{
    marker::{
        PhantomData,
        PhantomPinned, //
    },
    ptr::{
        self,
        NonNull, //
    },
};
use kernel::{
    bindings,
    error::{
        from_err_ptr,
        to_result, //
    },
    prelude::*,
    sync::Arc,
    types::Opaque, //
};

/// How many attributes a class's devices may have.
const MAX_ATTRIBUTES: usize = 7;

/// A class of devices whose driver data is a `D`, visible as `/sys/class/<name>`.
///
/// Its devices' nodes are made readable and writable by everybody.
///
/// # Invariants
///
/// - `raw` is a registered class, but for the time of its initialization.
/// - `raw.dev_groups` points to `groups`, that to `group`, and that to `attributes`. `groups` and
///   `attributes` end in a null pointer, and all attributes are for devices whose driver data is
///   a `D`.
#[pin_data(PinnedDrop)]
pub(crate) struct Class<D> {
    #[pin]
    raw: Opaque<bindings::class>,
    #[pin]
    group: Opaque<bindings::attribute_group>,
    groups: [*const bindings::attribute_group; 2],
    attributes: [*mut bindings::attribute; MAX_ATTRIBUTES + 1],
    #[pin]
    _pin: PhantomPinned,
    _data: PhantomData<fn(&D)>,
}

// SAFETY: A class may be unregistered from any thread; it owns no `D`.
unsafe impl<D> Send for Class<D> {}
// SAFETY: All that can be done with a shared reference is to make devices, which the driver core
// synchronizes.
unsafe impl<D> Sync for Class<D> {}

impl<D: Send + Sync + 'static> Class<D> {
    /// Registers a class of devices that have these attributes.
    ///
    /// Process context; sleeps. [`EINVAL`]: there are too many attributes; [`EEXIST`]: a class of
    /// that name is there; [`ENOMEM`].
    pub(crate) fn register<'a>(
        name: &'static CStr,
        list: &'a [AttributeRef<D>],
    ) -> impl PinInit<Self, Error> + 'a {
        let mut attributes = [ptr::null_mut(); MAX_ATTRIBUTES + 1];
        for (to, from) in attributes.iter_mut().zip(list) {
            *to = from.as_ptr();
        }
        let fits = list.len() <= MAX_ATTRIBUTES;

        try_pin_init!(&this in Self {
            attributes,
            // SAFETY: `this` is valid for the place of its field `group`.
            groups: [unsafe { (&raw const (*this.as_ptr()).group).cast() }, ptr::null()],
            group <- Opaque::ffi_init(|slot: *mut bindings::attribute_group| {
                let mut group: bindings::attribute_group = pin_init::zeroed();
                group.__bindgen_anon_2.attrs =
                    // SAFETY: `this` is valid for the place of its field `attributes`.
                    unsafe { (&raw mut (*this.as_ptr()).attributes).cast() };
                // SAFETY: The initializer may write to `slot`.
                unsafe { slot.write(group) };
            }),
            raw <- Opaque::try_ffi_init(|slot: *mut bindings::class| {
                if !fits {
                    return Err(EINVAL);
                }
                let class = bindings::class {
                    name: name.as_char_ptr(),
                    // SAFETY: `this` is valid for the place of its field `groups`.
                    dev_groups: unsafe { (&raw const (*this.as_ptr()).groups).cast() },
                    devnode: Some(devnode),
                    ..pin_init::zeroed()
                };
                // SAFETY: The initializer may write to `slot`.
                unsafe { slot.write(class) };
                // SAFETY: `slot` is a class, which stays where it is until it is unregistered on
                // drop, and so do the attributes that it refers to.
                to_result(unsafe { bindings::class_register(slot) })
            }),
            _pin: PhantomPinned,
            _data: PhantomData,
        })
    }
}

/// Gives the nodes of a class's devices the mode 0666 from the start, so that they can be used
/// before, and without, a device manager having seen them.
///
/// # Safety
///
/// `mode` must be null or valid for writes.
unsafe extern "C" fn devnode(
    _device: *const bindings::device,
    mode: *mut bindings::umode_t,
) -> *mut c_char {
    // SAFETY: By the safety requirements.
    if let Some(mode) = unsafe { mode.as_mut() } {
        *mode = 0o666;
    }
    ptr::null_mut()
}

#[pinned_drop]
impl<D> PinnedDrop for Class<D> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: By the type invariant the class is registered. Each device of it holds an `Arc`
        // to it, so that there is none left.
        unsafe { bindings::class_unregister(self.raw.get()) };
    }
}

/// A device: its folder in `/sys/class/<class>`, its node in `/dev`, and its driver data.
///
/// Dropping it removes both, and waits until nobody is in one of its attributes' functions.
/// Process context; sleeps.
///
/// # Invariants
///
/// `raw` is a registered device of `class`, whose driver data points to what `data` owns.
pub(crate) struct Device<D> {
    raw: NonNull<bindings::device>,
    _class: Arc<Class<D>>,
    data: Arc<D>,
}

// SAFETY: A device may be unregistered from any thread.
unsafe impl<D: Send + Sync> Send for Device<D> {}
// SAFETY: A shared reference gives access to `data` alone.
unsafe impl<D: Send + Sync> Sync for Device<D> {}

impl<D: Send + Sync + 'static> Device<D> {
    /// Makes a device called `name`, with a node that opens the character device `number`.
    ///
    /// Its attributes are there before user space hears of the device. Process context; sleeps.
    /// [`ENOMEM`]; [`EEXIST`]: there is a device of that name.
    pub(crate) fn create(
        class: &Arc<Class<D>>,
        number: DeviceNumber,
        name: &CStr,
        data: Arc<D>,
    ) -> Result<Self> {
        // SAFETY: The class is registered. The format is a string that takes one more argument, a
        // string; it and the name are only read during the call. `data` is owned by the device
        // that is made here, so that it stays valid for as long as it is registered, and by the
        // type of `class` its attributes take a `D`.
        let raw = from_err_ptr(unsafe {
            bindings::device_create(
                class.raw.get(),
                ptr::null_mut(),
                number.as_raw(),
                ptr::from_ref::<D>(&data).cast_mut().cast(),
                c"%s".as_char_ptr(),
                name.as_char_ptr(),
            )
        })?;
        // INVARIANT: The device was registered just now.
        Ok(Self {
            raw: NonNull::new(raw).ok_or(ENOMEM)?,
            _class: class.clone(),
            data,
        })
    }

    /// The device's driver data.
    pub(crate) fn data(&self) -> &Arc<D> {
        &self.data
    }
}

impl<D> Drop for Device<D> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant the device is registered; nothing uses it from here on.
        // `data` and the class are dropped after it.
        unsafe { bindings::device_unregister(self.raw.as_ptr()) };
    }
}
