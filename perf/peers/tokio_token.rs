// SPDX-License-Identifier: MIT

//! tokio's CancellationToken, by the rows of peer.c: the same loops and chunks.

use std::arch::asm;
use std::future::Future;
use std::process::exit;
use std::ptr::null;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering::SeqCst};
use std::sync::Mutex;
use std::task::{Context, RawWaker, RawWakerVTable, Waker};
use std::thread;
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};
use tokio::time::{sleep, sleep_until};
use tokio_util::sync::CancellationToken;

const CHUNK: Duration = Duration::from_millis(5);
const CHUNKS: u32 = 6;
const WAKES: usize = 150;
const DEADLINES: usize = 60;
const HOUR: Duration = Duration::from_secs(3600);

type Loop = fn(&Peer, u64);
type Timed = fn(&Peer, Loop, u64) -> Duration;

struct Peer {
    parent: CancellationToken,
    far: tokio::time::Instant,
}

fn must(ok: bool) {
    if !ok {
        exit(1);
    }
}

// The value is needed and unknown: the loop around it stays what it says.
fn black_box<T>(value: T) -> T {
    unsafe { asm!("/* {0} */", in(reg) &value, options(nostack, preserves_flags)) };
    value
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_time().build().unwrap()
}

// A waker that wakes nobody: the loops below ask once and go on.
fn nobody() -> Waker {
    const TABLE: RawWakerVTable =
        RawWakerVTable::new(|_| RawWaker::new(null(), &TABLE), |_| (), |_| (), |_| ());
    unsafe { Waker::from_raw(RawWaker::new(null(), &TABLE)) }
}

// Registers, as an await would: false, it is pending.
fn asked<F: Future>(future: F) -> bool {
    let waker = nobody();
    let mut pinned = future;
    // It stays in this frame until it is dropped.
    let future = unsafe { std::pin::Pin::new_unchecked(&mut pinned) };
    future.poll(&mut Context::from_waker(&waker)).is_ready()
}

fn poll(p: &Peer, n: u64) {
    for _ in 0..n {
        must(!black_box(&p.parent).is_cancelled());
    }
}

fn derive_put(p: &Peer, n: u64) {
    for _ in 0..n {
        black_box(p.parent.child_token());
    }
}

fn derive_cancel_put(p: &Peer, n: u64) {
    for _ in 0..n {
        black_box(p.parent.child_token()).cancel();
    }
}

fn after_stop(p: &Peer, n: u64) {
    for _ in 0..n {
        must(!asked(p.parent.cancelled()));
    }
}

fn with_timeout_put(p: &Peer, n: u64) {
    for _ in 0..n {
        black_box(p.parent.child_token());
        must(!asked(sleep(HOUR)));
    }
}

fn with_deadline_put(p: &Peer, n: u64) {
    for _ in 0..n {
        black_box(p.parent.child_token());
        must(!asked(sleep_until(p.far)));
    }
}

fn timed(p: &Peer, work: Loop, n: u64) -> Duration {
    let start = Instant::now();
    work(p, n);
    start.elapsed()
}

fn timed_two(p: &Peer, work: Loop, n: u64) -> Duration {
    let ready = AtomicUsize::new(0);
    let half = || {
        ready.fetch_add(1, SeqCst);
        while ready.load(SeqCst) < 2 {}
        let from = Instant::now();
        work(p, n);
        (from, Instant::now())
    };
    let (a, b) = thread::scope(|s| {
        let other = s.spawn(half);
        (half(), other.join().unwrap())
    });
    a.1.max(b.1) - a.0.min(b.0)
}

fn best(p: &Peer, timed: Timed, work: Loop) -> f64 {
    let mut n = 1000;
    while timed(p, work, n) < CHUNK {
        n *= 2;
    }
    let least = (0..CHUNKS).map(|_| timed(p, work, n)).min().unwrap();
    least.as_nanos() as f64 / n as f64
}

struct Tree {
    root: CancellationToken,
    child: Vec<CancellationToken>,
}

fn tree(n: usize, deep: bool) -> Tree {
    let root = CancellationToken::new();
    let mut child: Vec<CancellationToken> = Vec::with_capacity(n);
    for i in 0..n {
        let of = if deep && i > 0 { &child[i - 1] } else { &root };
        let new = of.child_token();
        child.push(new);
    }
    Tree { root, child }
}

fn cancel_tree(n: usize, deep: bool, times: u32) -> f64 {
    let mut least = HOUR;
    for _ in 0..times {
        let t = tree(n, deep);
        let start = Instant::now();
        t.root.cancel();
        least = least.min(start.elapsed());
        must(t.child.iter().all(|c| c.is_cancelled()));
        std::mem::forget(t);
    }
    least.as_nanos() as f64 / n as f64
}

fn resident() -> f64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: f64 = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096.0
}

// Without the pointers to the children, as in peer.c.
fn bytes_per_leaf(n: usize) -> f64 {
    let before = resident();
    std::mem::forget(black_box(tree(n, false)));
    (resident() - before) / n as f64 - 8.0
}

fn median(mut ns: Vec<i64>) -> f64 {
    ns.sort_unstable();
    ns[ns.len() / 2] as f64
}

// The waiter is a thread of its own, with a runtime of its own.
fn cancel_wait_wake() -> f64 {
    let start = Instant::now();
    let now = || start.elapsed().as_nanos() as i64;
    let blocked: Mutex<Option<CancellationToken>> = Mutex::new(None);
    let ran = AtomicI64::new(0);
    let mut ns = Vec::new();

    thread::scope(|s| {
        s.spawn(|| {
            let rt = runtime();
            for _ in 0..WAKES {
                let token = CancellationToken::new();
                *blocked.lock().unwrap() = Some(token.clone());
                rt.block_on(token.cancelled());
                ran.store(now(), SeqCst);
            }
        });
        for _ in 0..WAKES {
            let token = loop {
                let there = blocked.lock().unwrap().take();
                if let Some(token) = there {
                    break token;
                }
            };
            thread::sleep(Duration::from_micros(300));
            let t0 = now();
            token.cancel();
            let t1 = loop {
                let t1 = ran.swap(0, SeqCst);
                if t1 != 0 {
                    break t1;
                }
            };
            ns.push(t1 - t0);
        }
    });
    median(ns)
}

fn deadline_late(rt: &Runtime) -> f64 {
    let late = |i: usize| {
        let when = tokio::time::Instant::now()
            + Duration::from_nanos(1_000_000 + i as u64 * 7919);
        rt.block_on(async { sleep_until(when).await });
        when.elapsed().as_nanos() as i64
    };
    median((0..DEADLINES).map(late).collect())
}

fn row(p: &Peer, rt: &Runtime, name: &str) {
    let v = match name {
        "poll" => best(p, timed, poll),
        "derive_put" => best(p, timed, derive_put),
        "derive_cancel_put" => best(p, timed, derive_cancel_put),
        "derive_put_2t" => best(p, timed_two, derive_put),
        "after_stop" => best(p, timed, after_stop),
        "with_timeout_put" => best(p, timed, with_timeout_put),
        "with_deadline_put" => best(p, timed, with_deadline_put),
        "cancel_child_10k" => cancel_tree(10_000, false, 10),
        "cancel_child_1m" => cancel_tree(1_000_000, false, 1),
        "deep_10k" => cancel_tree(10_000, true, 5),
        "deep_100k" => cancel_tree(100_000, true, 3),
        "bytes_per_leaf" => bytes_per_leaf(200_000),
        "cancel_wait_wake" => cancel_wait_wake(),
        "deadline_late_idle" => deadline_late(rt),
        _ => return,
    };
    let unit = if name == "bytes_per_leaf" { "bytes" } else { "ns" };
    println!("{name} {v:.3} {unit}");
}

fn main() {
    let rt = runtime();
    let p = Peer {
        parent: CancellationToken::new(),
        far: tokio::time::Instant::now() + HOUR,
    };
    // An idle thread: as in peer.c, a process that cancels has some.
    thread::spawn(thread::park);
    for name in std::env::args().skip(1) {
        // A runtime's timers are asked from inside of it.
        let inside = rt.enter();
        if name == "deadline_late_idle" {
            drop(inside);
            row(&p, &rt, &name);
        } else {
            row(&p, &rt, &name);
        }
    }
    exit(0); // the trees are left as they are
}
