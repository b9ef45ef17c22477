//! Failed sign-ins by address.

use std::time::Duration;

use api::http::throttle::Bounds;
use shared::config::Networks;
use shared::process::http::Timeouts;

use super::{FETCH, OWN, app, too_many};
use crate::app::{TestApp, unbounded};
use crate::client::{TestRequest, TestResponse};
use crate::serving::serve;

/// How many of `times` wrong credentials get 401 before they get 429.
async fn failed<'a>(times: usize, request: impl Fn() -> TestRequest<'a>) -> usize {
    let mut failed = 0;
    for _ in 0..times {
        let response = request().send().await;
        if response.status == 401 {
            failed += 1;
        } else {
            too_many(&response);
        }
    }
    failed
}

fn wrong<'a>(app: &'a TestApp, address: &str) -> TestRequest<'a> {
    app.get(FETCH).key("sk-wrong").from(address)
}

fn behind(proxies: &str) -> Bounds {
    Bounds {
        trusted_proxies: Networks::parse(proxies).expect("they are networks"),
        ..unbounded()
    }
}

#[tokio::test]
async fn twenty_a_minute_may_fail_then_only_failures_are_429_and_a_good_credential_passes() {
    let (app, alice) = app(unbounded()).await;
    let here = "192.0.2.1";
    assert_eq!(failed(25, || wrong(&app, here)).await, 20);
    let refused = wrong(&app, here).header("accept-language", "en");
    let refused = refused.send().await;
    assert_eq!(too_many(&refused), 3);
    assert!(
        refused.text().contains("too many sign-ins"),
        "{}",
        refused.text()
    );
    // Good credentials pass, on both surfaces, and those of the disabled are known as such.
    let good = async |path: &str, secret: &str| -> TestResponse {
        app.get(path).key(secret).from(here).send().await
    };
    assert_eq!(good(FETCH, &alice.key).await.error(), "400 task_not_exist");
    assert_eq!(good(OWN, &alice.token).await.status, 200);
    app.disable_key(&alice).await;
    assert_eq!(good(FETCH, &alice.key).await.error(), "403 key_disabled");
    // Another address is not concerned.
    assert_eq!(failed(1, || wrong(&app, "192.0.2.2")).await, 1);
    app.clock.advance(Duration::from_secs(3));
    assert_eq!(failed(2, || wrong(&app, here)).await, 1);
    app.clock.advance(Duration::from_mins(1));
    assert_eq!(failed(25, || wrong(&app, here)).await, 20);
}

#[tokio::test]
async fn every_401_of_a_credential_counts_on_both_surfaces_and_a_request_without_one_does_not() {
    let (app, alice) = app(unbounded()).await;
    let here = "192.0.2.1";
    let number = app.get(OWN).key(&alice.token).header("new-api-user", "99");
    assert_eq!(number.from(here).send().await.status, 401);
    for (path, secret) in [
        (OWN, "wrong"),
        (OWN, &alice.key),
        (FETCH, "wrong"),
        (FETCH, &alice.token),
    ] {
        let request = || app.get(path).key(secret).from(here);
        assert_eq!(failed(4, request).await, 4, "{path}");
    }
    assert_eq!(failed(10, || app.get(FETCH).from(here)).await, 10);
    assert_eq!(failed(10, || app.get(OWN).from(here)).await, 10);
    // 17 so far.
    let api = || app.get(OWN).key("wrong").from(here);
    assert_eq!(failed(10, api).await, 3);
    assert_eq!(failed(5, || app.get(FETCH).from(here)).await, 5);
    let refused = api().send().await;
    assert_eq!(refused.json()["success"], false);
    assert!(refused.text().contains("认证失败"), "{}", refused.text());
}

#[tokio::test]
async fn an_ipv6_client_counts_by_its_network_and_ipv4_in_ipv6_as_ipv4() {
    let (app, _) = app(unbounded()).await;
    for n in 0..20 {
        let address = format!("2001:db8:0:7::{n:x}");
        assert_eq!(failed(1, || wrong(&app, &address)).await, 1);
    }
    let same = "2001:db8:0:7:ffff::1";
    assert_eq!(failed(1, || wrong(&app, same)).await, 0);
    assert_eq!(failed(1, || wrong(&app, "2001:db8:0:8::1")).await, 1);
    assert_eq!(failed(25, || wrong(&app, "::ffff:192.0.2.1")).await, 20);
    assert_eq!(failed(1, || wrong(&app, "192.0.2.1")).await, 0);
}

#[tokio::test]
async fn x_forwarded_for_is_believed_from_trusted_proxies_alone() {
    let (app, _) = app(behind("10.0.0.0/8")).await;
    let through = |peer: &'static str, list: String| {
        let app = &app;
        move || {
            let request = wrong(app, peer);
            request.header("x-forwarded-for", &list)
        }
    };
    // A stranger forges as many addresses as it likes, and is one client.
    let mut taken = 0;
    for n in 0..30 {
        let list = format!("198.51.100.{n}");
        taken += failed(1, through("192.0.2.1", list)).await;
    }
    assert_eq!(taken, 20);
    // So is one behind a proxy, which notes its true address last.
    taken = 0;
    for n in 0..30 {
        let list = format!("198.51.100.{n}, 203.0.113.5");
        taken += failed(1, through("10.0.0.1", list)).await;
    }
    assert_eq!(taken, 20);
    let list = || "203.0.113.5, 10.9.9.9".to_owned();
    assert_eq!(failed(1, through("10.0.0.2", list())).await, 0);
    // Others behind the same proxy are others.
    let list = || "203.0.113.6".to_owned();
    assert_eq!(failed(25, through("10.0.0.1", list())).await, 20);
    // What is no address counts as the proxy that passed it on.
    let list = || "203.0.113.7, nonsense".to_owned();
    assert_eq!(failed(25, through("10.0.0.1", list())).await, 20);
    assert_eq!(failed(1, || wrong(&app, "10.0.0.1")).await, 0);
}

#[tokio::test]
async fn over_a_socket_the_address_of_the_connection_counts_and_the_log_and_the_figures_tell() {
    for (proxies, expected) in [("", 20), ("127.0.0.0/8", 30)] {
        let app = TestApp::with_throttle(behind(proxies)).await;
        let alice = app.user("alice").await;
        let serving = serve(app.router.clone(), Timeouts::default()).await;
        let mut failed = 0;
        let request = |secret: &str, n: usize| {
            format!(
                "GET {OWN} HTTP/1.1\r\nHost: x\r\nAuthorization: {secret}\r\n\
                 X-Forwarded-For: 198.51.100.{n}\r\nConnection: close\r\n\r\n"
            )
        };
        for n in 0..30 {
            let answer = serving.answer(&request("wrong", n)).await;
            failed += usize::from(answer.starts_with("HTTP/1.1 401 "));
        }
        assert_eq!(failed, expected, "{proxies}");
        let answer = serving.answer(&request(&alice.token, 1)).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        let figures = app.get("/metrics").send().await;
        for figure in [
            r#"task_center_throttled_requests_total{reason="sign_in"} "#,
            r#"task_center_throttled_requests_total{reason="rate"} "#,
            r#"task_center_throttled_requests_total{reason="at_once"} "#,
            r#"task_center_throttle_buckets{of="credential"} "#,
            r#"task_center_throttle_buckets{of="address"} "#,
        ] {
            let found = figures.text().lines().any(|line| line.starts_with(figure));
            assert!(found, "{figure}\n{}", figures.text());
        }
    }
}

#[tokio::test]
async fn a_database_that_is_away_is_nobodys_failure() {
    let (app, _) = app(unbounded()).await;
    app.store.close().await;
    for _ in 0..25 {
        let response = wrong(&app, "192.0.2.1").send().await;
        assert_eq!(response.error(), "503 busy");
    }
}
