//! What the proxy does to a connection. Every scenario stands on it.

use std::io::ErrorKind;
use std::time::Duration;

use harness::proxy::Proxy;
use harness::proxy::gate::Pattern;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

/// Longer than anything here takes, on a busy machine too.
const LONG: Duration = Duration::from_secs(20);
/// How long something that must not happen is waited for.
const MOMENT: Duration = Duration::from_millis(200);

/// A server that says back what it hears, and tells us; by way of a proxy.
async fn echo() -> (Proxy, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it has an address");
    let (tell, told) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let tell = tell.clone();
            tokio::spawn(async move {
                let mut piece = vec![0; 1024];
                while let Ok(many @ 1..) = client.read(&mut piece).await {
                    let heard = String::from_utf8_lossy(&piece[..many]).into_owned();
                    let _ = tell.send(heard);
                    if client.write_all(&piece[..many]).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    (Proxy::to(address.to_string()).await, told)
}

async fn connect(proxy: &Proxy) -> TcpStream {
    TcpStream::connect(proxy.address())
        .await
        .expect("it listens")
}

async fn say(client: &mut TcpStream, words: &str) {
    client.write_all(words.as_bytes()).await.expect("it takes");
}

async fn hear(client: &mut TcpStream, words: &str) {
    let mut heard = vec![0; words.len()];
    let all = timeout(LONG, client.read_exact(&mut heard)).await;
    all.expect("it comes in time").expect("it comes");
    assert_eq!(String::from_utf8_lossy(&heard), words);
}

/// It says something and hears it back.
async fn echoed(client: &mut TcpStream, words: &str) {
    say(client, words).await;
    hear(client, words).await;
}

/// Nothing comes.
async fn silence(client: &mut TcpStream) {
    let mut byte = [0];
    let heard = timeout(MOMENT, client.read(&mut byte)).await;
    assert!(heard.is_err(), "{heard:?}");
}

/// How the connection ends: `Ok` in order, or with an error.
async fn end(client: &mut TcpStream) -> Result<(), ErrorKind> {
    let mut rest = Vec::new();
    let end = timeout(LONG, client.read_to_end(&mut rest)).await;
    assert!(rest.is_empty(), "{}", String::from_utf8_lossy(&rest));
    end.expect("it ends in time")
        .map(drop)
        .map_err(|e| e.kind())
}

#[tokio::test]
async fn it_carries_both_ways_and_an_end_of_one_way_is_not_the_end_of_the_other() {
    let (proxy, _told) = echo().await;
    let mut client = connect(&proxy).await;
    echoed(&mut client, "one").await;
    say(&mut client, "two").await;
    client.shutdown().await.expect("it is open");
    hear(&mut client, "two").await;
    assert_eq!(end(&mut client).await, Ok(()));
    assert_eq!(proxy.accepted(), 1);
}

#[tokio::test]
async fn a_delay_holds_each_piece_that_long() {
    let (proxy, _told) = echo().await;
    let mut client = connect(&proxy).await;
    proxy.delay(Duration::from_millis(150));
    let started = Instant::now();
    echoed(&mut client, "slow").await;
    assert!(started.elapsed() >= Duration::from_millis(300));
    proxy.mend();
    echoed(&mut client, "quick").await;
}

#[tokio::test]
async fn a_cut_ends_old_and_new_connections_in_order_until_it_is_mended() {
    let (proxy, mut told) = echo().await;
    let mut client = connect(&proxy).await;
    echoed(&mut client, "before").await;
    proxy.cut();
    assert_eq!(end(&mut client).await, Ok(()));
    assert_eq!(end(&mut connect(&proxy).await).await, Ok(()));
    proxy.mend();
    let mut client = connect(&proxy).await;
    echoed(&mut client, "after").await;
    assert_eq!(told.recv().await.as_deref(), Some("before"));
    assert_eq!(told.recv().await.as_deref(), Some("after"));
}

#[tokio::test]
async fn a_reset_is_an_error_to_old_and_new_connections_until_it_is_mended() {
    let (proxy, _told) = echo().await;
    let mut client = connect(&proxy).await;
    echoed(&mut client, "before").await;
    proxy.reset();
    let reset = Err(ErrorKind::ConnectionReset);
    assert_eq!(end(&mut client).await, reset);
    assert_eq!(end(&mut connect(&proxy).await).await, reset);
    proxy.mend();
    let mut client = connect(&proxy).await;
    echoed(&mut client, "after").await;
}

#[tokio::test]
async fn a_black_hole_swallows_nothing_for_good() {
    let (proxy, mut told) = echo().await;
    let mut old = connect(&proxy).await;
    echoed(&mut old, "one ").await;
    assert_eq!(told.recv().await.as_deref(), Some("one "));
    proxy.black_hole();
    let mut new = connect(&proxy).await;
    say(&mut old, "two ").await;
    say(&mut new, "new").await;
    silence(&mut old).await;
    say(&mut old, "three").await;
    silence(&mut new).await;
    assert!(told.try_recv().is_err());
    proxy.mend();
    hear(&mut old, "two three").await;
    hear(&mut new, "new").await;
}

#[tokio::test]
async fn what_is_in_a_black_hole_when_the_wire_is_cut_never_arrives() {
    let (proxy, mut told) = echo().await;
    let mut client = connect(&proxy).await;
    echoed(&mut client, "one").await;
    proxy.black_hole();
    say(&mut client, "two").await;
    silence(&mut client).await;
    proxy.reset();
    assert_eq!(end(&mut client).await, Err(ErrorKind::ConnectionReset));
    assert_eq!(told.recv().await.as_deref(), Some("one"));
    assert!(timeout(MOMENT, told.recv()).await.is_err());
}

#[tokio::test]
async fn a_server_that_is_not_there_is_a_reset() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let nobody = listener.local_addr().expect("it has an address");
    drop(listener);
    let proxy = Proxy::to(nobody.to_string()).await;
    let mut client = connect(&proxy).await;
    assert_eq!(end(&mut client).await, Err(ErrorKind::ConnectionReset));
}

#[tokio::test]
async fn a_gate_holds_the_connection_on_which_its_words_pass_and_no_other() {
    let (proxy, mut told) = echo().await;
    let (mut held, mut other) = (connect(&proxy).await, connect(&proxy).await);
    let mut gate = proxy.hold(&[Pattern::to_server(b"BEGIN"), Pattern::to_server(b"COMMIT")]);
    echoed(&mut other, "COMMIT").await;
    echoed(&mut held, "BEGIN").await;
    say(&mut held, "COMMIT").await;
    timeout(LONG, gate.reached()).await.expect("they passed");
    silence(&mut held).await;
    echoed(&mut other, "more").await;
    gate.release();
    hear(&mut held, "COMMIT").await;
    let mut all = Vec::new();
    while let Ok(words) = told.try_recv() {
        all.push(words);
    }
    assert_eq!(all, ["COMMIT", "BEGIN", "more", "COMMIT"]);
}

#[tokio::test]
async fn a_gate_in_the_answer_lets_the_question_through() {
    let (proxy, mut told) = echo().await;
    let mut client = connect(&proxy).await;
    let mut gate = proxy.hold(&[Pattern::to_server(b"ask"), Pattern::from_server(b"ask")]);
    say(&mut client, "ask").await;
    timeout(LONG, gate.reached()).await.expect("they passed");
    assert_eq!(told.recv().await.as_deref(), Some("ask"));
    silence(&mut client).await;
    gate.reset();
    assert_eq!(end(&mut client).await, Err(ErrorKind::ConnectionReset));
}

#[tokio::test]
async fn what_a_gate_resets_never_arrives_and_the_next_connection_is_carried() {
    let (proxy, mut told) = echo().await;
    let mut client = connect(&proxy).await;
    let mut gate = proxy.hold(&[Pattern::to_server(b"two")]);
    echoed(&mut client, "one").await;
    say(&mut client, "two").await;
    timeout(LONG, gate.reached()).await.expect("they passed");
    gate.reset();
    assert_eq!(end(&mut client).await, Err(ErrorKind::ConnectionReset));
    let mut client = connect(&proxy).await;
    echoed(&mut client, "two").await;
    assert_eq!(told.recv().await.as_deref(), Some("one"));
    assert_eq!(told.recv().await.as_deref(), Some("two"));
}

#[tokio::test]
async fn a_gate_holds_although_its_client_is_gone_and_what_it_held_can_still_arrive() {
    let (proxy, mut told) = echo().await;
    let mut client = connect(&proxy).await;
    let mut gate = proxy.hold(&[Pattern::to_server(b"COMMIT")]);
    say(&mut client, "COMMIT").await;
    timeout(LONG, gate.reached()).await.expect("they passed");
    drop(client);
    assert!(timeout(MOMENT, told.recv()).await.is_err());
    gate.release();
    let arrived = timeout(LONG, told.recv()).await.expect("it arrives");
    assert_eq!(arrived.as_deref(), Some("COMMIT"));
}

#[tokio::test]
async fn a_gate_that_nobody_waits_for_any_more_lets_go() {
    let (proxy, _told) = echo().await;
    let mut client = connect(&proxy).await;
    let mut gate = proxy.hold(&[Pattern::to_server(b"COMMIT")]);
    say(&mut client, "COMMIT").await;
    timeout(LONG, gate.reached()).await.expect("they passed");
    drop(gate);
    hear(&mut client, "COMMIT").await;
    drop(proxy.hold(&[Pattern::to_server(b"never waited for")]));
    echoed(&mut client, "never waited for").await;
}
