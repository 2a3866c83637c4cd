// SPDX-License-Identifier: GPL-2.0

//! Attributes of a device in sysfs.
//!
//! C header: [`include/linux/device.h`](srctree/include/linux/device.h)
//!
//! Reference: <https://docs.kernel.org/filesystems/sysfs.html>

use core::{
    fmt,
    marker::PhantomData,
    slice, //
};
use kernel::{
    bindings,
    page::PAGE_SIZE,
    prelude::*,
    str::as_char_ptr_in_const_context, //
};

/// One file in a device's folder in sysfs.
///
/// Both functions are called in process context, by any process that may open the file, at the
/// same time on several CPUs; they may sleep. Removing the device waits for them.
#[vtable]
pub(crate) trait Attribute: 'static {
    /// What the device's driver data is.
    type Data: Sync + 'static;

    /// The file's name.
    const NAME: &'static CStr;

    /// Gives the file's content.
    fn show(data: &Self::Data, to: &mut Text<'_>) -> Result;

    /// Takes what was written into the file, by one system call. Without it the file is
    /// read-only; with it, its owner, root, may write.
    fn store(_data: &Self::Data, _text: &[u8]) -> Result {
        Err(EIO)
    }
}

/// Where an attribute's content goes: a page, of which the first `len` bytes have been written.
pub(crate) struct Text<'a> {
    page: &'a mut [u8],
    len: usize,
}

impl Text<'_> {
    /// Appends bytes. [`ENOSPC`]: they do not fit; nothing has been appended.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result {
        let end = self.len.checked_add(bytes.len()).ok_or(ENOSPC)?;
        self.page
            .get_mut(self.len..end)
            .ok_or(ENOSPC)?
            .copy_from_slice(bytes);
        self.len = end;
        Ok(())
    }
}

impl fmt::Write for Text<'_> {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        self.push(s.as_bytes()).map_err(|_| fmt::Error)
    }
}

/// `struct device_attribute`, without the unions around its function pointers, whose names differ
/// between kernels.
#[repr(C)]
struct DeviceAttribute {
    attr: bindings::attribute,
    show: Option<
        unsafe extern "C" fn(
            *mut bindings::device,
            *mut bindings::device_attribute,
            *mut c_char,
        ) -> isize,
    >,
    store: Option<
        unsafe extern "C" fn(
            *mut bindings::device,
            *mut bindings::device_attribute,
            *const c_char,
            usize,
        ) -> isize,
    >,
}

static_assert!(size_of::<DeviceAttribute>() == size_of::<bindings::device_attribute>());
static_assert!(align_of::<DeviceAttribute>() == align_of::<bindings::device_attribute>());

/// Builds the C side of the attribute `A`.
struct Vtable<A>(PhantomData<A>);

impl<A: Attribute> Vtable<A> {
    const RAW: DeviceAttribute = DeviceAttribute {
        attr: {
            // Debug kernels have more fields.
            let mut attr: bindings::attribute = pin_init::zeroed();
            attr.name = as_char_ptr_in_const_context(A::NAME);
            attr.mode = if A::HAS_STORE { 0o644 } else { 0o444 };
            attr
        },
        show: Some(Self::show),
        store: if A::HAS_STORE {
            Some(Self::store)
        } else {
            None
        },
    };

    /// # Safety
    ///
    /// `device`'s driver data must be null, or point to an `A::Data` that is valid for the
    /// duration of the call. `page` must be valid for writes of a page.
    unsafe extern "C" fn show(
        device: *mut bindings::device,
        _attr: *mut bindings::device_attribute,
        page: *mut c_char,
    ) -> isize {
        // SAFETY: By the safety requirements, `device` is a device.
        let data = unsafe { bindings::dev_get_drvdata(device) };
        // SAFETY: By the safety requirements, the pointer is null or valid.
        let Some(data) = (unsafe { data.cast::<A::Data>().as_ref() }) else {
            return ENXIO.to_errno() as isize;
        };
        // SAFETY: sysfs hands in a zeroed page for the content, for this call alone.
        let page = unsafe { slice::from_raw_parts_mut(page.cast::<u8>(), PAGE_SIZE) };
        let mut text = Text { page, len: 0 };
        match A::show(data, &mut text) {
            // `len` is at most a page.
            Ok(()) => text.len as isize,
            Err(err) => err.to_errno() as isize,
        }
    }

    /// # Safety
    ///
    /// `device`'s driver data must be null, or point to an `A::Data` that is valid for the
    /// duration of the call. `text` must be valid for reads of `count` bytes.
    unsafe extern "C" fn store(
        device: *mut bindings::device,
        _attr: *mut bindings::device_attribute,
        text: *const c_char,
        count: usize,
    ) -> isize {
        // SAFETY: By the safety requirements, `device` is a device.
        let data = unsafe { bindings::dev_get_drvdata(device) };
        // SAFETY: By the safety requirements, the pointer is null or valid.
        let Some(data) = (unsafe { data.cast::<A::Data>().as_ref() }) else {
            return ENXIO.to_errno() as isize;
        };
        // SAFETY: By the safety requirements, `text` is valid for `count` bytes.
        let text = unsafe { slice::from_raw_parts(text.cast::<u8>(), count) };
        match A::store(data, text) {
            // sysfs passes on a page at the most.
            Ok(()) => count as isize,
            Err(err) => err.to_errno() as isize,
        }
    }
}

/// An attribute of a device whose driver data is a `D`.
///
/// # Invariants
///
/// Points to the `attr` of a static `struct device_attribute`, whose functions are safe to call
/// for a device whose driver data is null or points to a `D`.
pub(crate) struct AttributeRef<D>(*const bindings::attribute, PhantomData<fn(&D)>);

impl<D> AttributeRef<D> {
    /// Refers to the attribute `A`.
    pub(crate) const fn of<A: Attribute<Data = D>>() -> Self {
        let raw: &'static DeviceAttribute = &Vtable::<A>::RAW;
        // INVARIANT: `raw` is static, and its functions take the driver data for an `A::Data`.
        Self(&raw const raw.attr, PhantomData)
    }

    /// The C side.
    pub(super) fn as_ptr(&self) -> *mut bindings::attribute {
        self.0.cast_mut()
    }
}
