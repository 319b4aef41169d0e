//! A TCP proxy on this machine that can hurt what passes through it.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::Result;
use rustix::net::sockopt::set_socket_linger;

/// How connections end.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cut {
    /// Orderly, as by a proxy that is restarted.
    Fin,
    /// At once, as by a firewall that forgot the connection.
    Reset,
}

/// Lives as long as the program.
#[derive(Clone)]
pub(crate) struct Proxy(Arc<Inner>);

struct Inner {
    address: SocketAddr,
    upstream: SocketAddr,
    links: Mutex<Vec<Arc<Link>>>,
    /// When clients connected.
    calls: Mutex<Vec<Instant>>,
    /// How long each piece is held back.
    delay: AtomicU64,
    /// How many connections shall still lose the answer to their next request.
    swallow: AtomicU64,
    /// New connections are ended at once.
    refuse: AtomicBool,
}

struct Link {
    client: TcpStream,
    server: TcpStream,
    open: AtomicBool,
    /// The next answer is swallowed, and the connection cut.
    doomed: AtomicBool,
}

impl Link {
    fn cut(&self, how: Cut) {
        if matches!(how, Cut::Reset) {
            // With no time to linger, closing sends a reset.
            let _ = set_socket_linger(&self.client, Some(Duration::ZERO));
            let _ = set_socket_linger(&self.server, Some(Duration::ZERO));
        }
        self.open.store(false, Ordering::SeqCst);
        let _ = self.client.shutdown(Shutdown::Both);
        let _ = self.server.shutdown(Shutdown::Both);
    }
}

impl Proxy {
    /// Listens on a free port of this address, and passes on to that port of the loopback.
    pub(crate) fn start(address: Ipv4Addr, upstream: u16) -> Result<Self> {
        let listener = TcpListener::bind((address, 0))?;
        let proxy = Self(Arc::new(Inner {
            address: listener.local_addr()?,
            upstream: SocketAddr::from((Ipv4Addr::LOCALHOST, upstream)),
            links: Mutex::default(),
            calls: Mutex::default(),
            delay: AtomicU64::new(0),
            swallow: AtomicU64::new(0),
            refuse: AtomicBool::new(false),
        }));
        let accepting = proxy.clone();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                accepting.accept(client);
            }
        });
        Ok(proxy)
    }

    /// The URL of a database on the loopback as it is reached through here.
    pub(crate) fn detour(&self, url: &str, upstream: u16) -> String {
        url.replace(&format!("127.0.0.1:{upstream}/"), &format!("{}/", self.0.address))
    }

    /// Ends every connection.
    pub(crate) fn cut_all(&self, how: Cut) {
        for link in lock(&self.0.links).drain(..) {
            link.cut(how);
        }
    }

    /// Lets the next requests of so many connections pass, but not their answers.
    pub(crate) fn swallow_answers(&self, connections: u64) {
        self.0.swallow.store(connections, Ordering::SeqCst);
    }

    pub(crate) fn delay(&self, by: Duration) {
        self.0.delay.store(u64::try_from(by.as_millis()).unwrap_or(0), Ordering::SeqCst);
    }

    pub(crate) fn refuse(&self, yes: bool) {
        self.0.refuse.store(yes, Ordering::SeqCst);
    }

    /// How often clients have connected since `when`.
    pub(crate) fn calls_since(&self, when: Instant) -> usize {
        lock(&self.0.calls).iter().filter(|call| **call >= when).count()
    }

    fn accept(&self, client: TcpStream) {
        lock(&self.0.calls).push(Instant::now());
        if self.0.refuse.load(Ordering::SeqCst) {
            let _ = set_socket_linger(&client, Some(Duration::ZERO));
            return;
        }
        let Ok(server) = TcpStream::connect(self.0.upstream) else { return };
        let _ = client.set_nodelay(true);
        let _ = server.set_nodelay(true);
        let (Ok(from_client), Ok(from_server)) = (client.try_clone(), server.try_clone()) else {
            return;
        };
        let (open, doomed) = (AtomicBool::new(true), AtomicBool::new(false));
        let link = Arc::new(Link { client, server, open, doomed });
        let mut links = lock(&self.0.links);
        links.retain(|link| link.open.load(Ordering::SeqCst));
        links.push(Arc::clone(&link));
        drop(links);
        let (there, back) = (self.clone(), self.clone());
        let link_back = Arc::clone(&link);
        thread::spawn(move || there.pump(from_client, &link, true));
        thread::spawn(move || back.pump(from_server, &link_back, false));
    }

    /// Copies one direction until either side ends.
    fn pump(&self, mut from: TcpStream, link: &Link, is_request: bool) {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(length) = from.read(&mut buffer)
            && length > 0
            && link.open.load(Ordering::SeqCst)
        {
            let delay = self.0.delay.load(Ordering::SeqCst);
            if delay > 0 {
                thread::sleep(Duration::from_millis(delay / 2));
            }
            if is_request {
                let take = |left: u64| left.checked_sub(1);
                if self.0.swallow.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take).is_ok() {
                    link.doomed.store(true, Ordering::SeqCst);
                }
            } else if link.doomed.load(Ordering::SeqCst) {
                // The server has done it; the client will never know.
                link.cut(Cut::Reset);
                return;
            }
            let mut to = if is_request { &link.server } else { &link.client };
            let Some(piece) = buffer.get(..length) else { break };
            if to.write_all(piece).is_err() {
                break;
            }
        }
        link.cut(Cut::Fin);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
