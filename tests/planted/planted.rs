// SPDX-License-Identifier: GPL-2.0

//! A bug of each class that the debug kernel is there to find, one at each load.
//!
//! `tests/debug/planted.sh` loads and unloads it, and a bug that nobody notices fails the run: so
//! a debug kernel that is blind is not taken for a module that is well. Each is a bug that
//! `groups.ko` could have, made of what that is made of; none of them crashes the kernel.

use core::mem;
use kernel::{
    bindings,
    new_spinlock,
    prelude::*,
    types::Opaque, //
};

module! {
    type: Planted,
    name: "planted",
    authors: ["The groups developers"],
    description: "Test of the debug kernel: bugs on purpose",
    license: "GPL v2",
    params: {
        bug: u32 {
            default: 0,
            description: "0 none, 1 sleep, 2 inversion, 3 timer, 4 use after free, 5 leak",
        },
    },
}

/// As large as a small message.
const MEMORY: [u8; 96] = [1; 96];

/// Nanoseconds until the timer goes off: it has to be found before.
const HOUR: i64 = 3_600_000_000_000;

/// So many are leaked. kmemleak does not see the last few of a size: their addresses are still in
/// the arrays that the allocator took them from, where nothing clears them.
const LEAKS: usize = 1000;

type Timer = Pin<KBox<Opaque<bindings::hrtimer>>>;

struct Planted {
    /// Is freed with this, running.
    _timer: Option<Timer>,
}

// SAFETY: Nobody uses the timer after it was started.
unsafe impl Send for Planted {}
// SAFETY: As above.
unsafe impl Sync for Planted {}

impl kernel::Module for Planted {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let mut timer = None;
        match module_parameters::bug.value() {
            0 => {}
            1 => sleep_under_a_spinlock()?,
            2 => lock_in_both_orders()?,
            3 => timer = Some(start_a_timer()?),
            4 => use_after_free()?,
            5 => leak()?,
            _ => return Err(EINVAL),
        }
        Ok(Self { _timer: timer })
    }
}

fn sleep_under_a_spinlock() -> Result {
    let lock = KBox::pin_init(new_spinlock!(0u32), GFP_KERNEL)?;
    let _guard = lock.lock();
    // This may have to wait for memory.
    KBox::new(MEMORY, GFP_KERNEL)?;
    Ok(())
}

fn lock_in_both_orders() -> Result {
    let first = KBox::pin_init(new_spinlock!(1u32), GFP_KERNEL)?;
    let second = KBox::pin_init(new_spinlock!(2u32), GFP_KERNEL)?;
    {
        let _first = first.lock();
        let _second = second.lock();
    }
    {
        let _second = second.lock();
        let _first = first.lock();
    }
    Ok(())
}

fn start_a_timer() -> Result<Timer> {
    // SAFETY: `slot` is valid for writes.
    let init = Opaque::ffi_init(|slot| unsafe {
        bindings::hrtimer_setup(
            slot,
            Some(ring),
            bindings::CLOCK_MONOTONIC as bindings::clockid_t,
            bindings::hrtimer_mode_HRTIMER_MODE_REL_SOFT,
        )
    });
    let timer = KBox::pin_init(init, GFP_KERNEL)?;
    // SAFETY: It is set up. It is not stopped before it is freed: that is the bug.
    unsafe {
        bindings::hrtimer_start_range_ns(
            timer.get(),
            HOUR,
            0,
            bindings::hrtimer_mode_HRTIMER_MODE_REL_SOFT,
        )
    };
    Ok(timer)
}

unsafe extern "C" fn ring(_timer: *mut bindings::hrtimer) -> bindings::hrtimer_restart {
    bindings::hrtimer_restart::HRTIMER_NORESTART
}

fn use_after_free() -> Result {
    let memory = KBox::into_raw(KBox::new(MEMORY, GFP_KERNEL)?);
    // SAFETY: It comes from `into_raw`.
    drop(unsafe { KBox::from_raw(memory) });
    // SAFETY: None: that is the bug. The memory itself is there, and is only read.
    let byte = unsafe { memory.cast::<u8>().read_volatile() };
    pr_info!("read {byte} after free\n");
    Ok(())
}

fn leak() -> Result {
    for _ in 0..LEAKS {
        mem::forget(KBox::new(MEMORY, GFP_KERNEL)?);
    }
    Ok(())
}
