//! A wire that a test can cut: stands between a Broker and `RabbitMQ`.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// How the wire is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wire {
    /// It carries.
    Up,
    /// It takes connections and bytes, and carries nothing.
    Silent,
    /// What is connected is cut off, and new connections are too.
    Cut,
}

/// The wire.
pub struct Proxy {
    pub address: SocketAddr,
    wire: watch::Sender<Wire>,
    said: Arc<Mutex<Vec<u8>>>,
}

impl Proxy {
    /// A wire to `target`.
    pub async fn to(target: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("its address");
        let (wire, wired) = watch::channel(Wire::Up);
        let said = Arc::new(Mutex::new(Vec::new()));
        let record = Arc::clone(&said);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let served = serve(client, target.clone(), wired.clone(), Arc::clone(&record));
                tokio::spawn(served);
            }
        });
        Self {
            address,
            wire,
            said,
        }
    }

    /// Cuts every connection, and those that are tried until [`Proxy::mend`].
    pub fn cut(&self) {
        self.wire.send_replace(Wire::Cut);
    }

    /// Carries nothing more, and says nothing about it.
    pub fn silence(&self) {
        self.wire.send_replace(Wire::Silent);
    }

    /// Carries again. What was silenced is carried on, what was cut stays cut.
    pub fn mend(&self) {
        self.wire.send_replace(Wire::Up);
    }

    /// Whether the client said `words` so far.
    pub fn heard(&self, words: &str) -> bool {
        let said = self.said.lock().expect("the record");
        said.windows(words.len())
            .any(|said| said == words.as_bytes())
    }
}

async fn serve(
    mut client: TcpStream,
    target: String,
    mut wire: watch::Receiver<Wire>,
    said: Arc<Mutex<Vec<u8>>>,
) {
    let mut upstream = None;
    let mut up = [0; 16 * 1024];
    let mut down = [0; 16 * 1024];
    loop {
        let now = *wire.borrow_and_update();
        match now {
            Wire::Cut => return,
            Wire::Silent => {
                if wire.changed().await.is_err() {
                    return;
                }
                continue;
            }
            Wire::Up => {}
        }
        if upstream.is_none() {
            upstream = TcpStream::connect(&target).await.ok();
        }
        let Some(server) = &mut upstream else { return };
        tokio::select! {
            changed = wire.changed() => if changed.is_err() { return },
            read = client.read(&mut up) => {
                let Ok(many @ 1..) = read else { return };
                said.lock().expect("the record").extend(&up[..many]);
                if server.write_all(&up[..many]).await.is_err() { return }
            }
            read = server.read(&mut down) => {
                let Ok(many @ 1..) = read else { return };
                if client.write_all(&down[..many]).await.is_err() { return }
            }
        }
    }
}
