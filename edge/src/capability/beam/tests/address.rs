//! What flares may reach.

use std::net::{IpAddr, Ipv6Addr};

use super::*;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn which_addresses_are_public() {
    for public in [
        "1.1.1.1",
        "8.8.8.8",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.1",
        "169.253.0.1",
        "172.15.0.1",
        "172.32.0.1",
        "192.167.0.1",
        "198.17.0.1",
        "198.20.0.1",
        "223.255.255.255",
        "2606:4700::1111",
        "2a00::1",
        "2001:4860::1",
        "::ffff:1.1.1.1",
        "64:ff9b::1.1.1.1",
    ] {
        assert_eq!(classify(ip(public)), AddressClass::Public, "{public}");
    }
    for private in [
        "127.0.0.1",
        "127.255.255.255",
        "10.0.0.1",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.0.1",
        "100.64.0.1",
        "::1",
        "::ffff:127.0.0.1",
        "::ffff:10.1.2.3",
        "fc00::1",
        "fdff::1",
    ] {
        assert!(
            matches!(classify(ip(private)), AddressClass::Private(_)),
            "{private}"
        );
    }
    for never in [
        "0.0.0.0",
        "0.1.2.3",
        "169.254.169.254",
        "192.0.0.1",
        "192.0.2.1",
        "192.88.99.1",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::ffff:0.0.0.0",
        "::ffff:169.254.169.254",
        "::127.0.0.1",
        "64:ff9b::127.0.0.1",
        "64:ff9b::10.0.0.1",
        "64:ff9b::169.254.169.254",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:db8::1",
        "2002:7f00:1::",
        "3fff::1",
        "fd00:ec2::254",
        "fe80::1",
        "febf::1",
        "fec0::1",
        "ff02::1",
        "4000::1",
        "5f00::1",
    ] {
        assert!(
            matches!(classify(ip(never)), AddressClass::Never(_)),
            "{never}"
        );
    }
}

#[test]
fn flares_cannot_reach_this_machine_or_its_networks() {
    let (address, log) = serve(|_| reply("200 OK", &[], b"secret"));
    let port = address.port();
    let setup = Setup::new(BeamConfig::default());
    for host in [
        "127.0.0.1",
        "localhost",
        "LOCALHOST",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0177.0.0.1",
        "127.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "0.0.0.0",
        "0",
        "[::]",
        "[64:ff9b::7f00:1]",
        "169.254.169.254",
        "10.0.0.1",
        "192.168.1.1",
        "172.16.0.1",
        "100.64.0.1",
        "[fe80::1]",
        "[fd00::1]",
        "255.255.255.255",
        "224.0.0.1",
        "user:password@127.0.0.1",
        "127。0。0。1",
        "①27.0.0.1",
    ] {
        let refusal = setup.fetch(&format!("http://{host}:{port}/")).unwrap_err();
        assert!(
            matches!(refusal, BeamRefusal::Forbidden { .. }),
            "{host}: {refusal}"
        );
        assert!(refusal.to_string().contains("[beam.hosts]"), "{refusal}");
    }
    // Whether this name is known depends on the machine; that it cannot be reached does not.
    setup
        .fetch(&format!("http://localhost.:{port}/"))
        .unwrap_err();
    assert!(log.lock().unwrap().is_empty(), "something got through");
}

#[test]
fn private_networks_can_be_opened_but_not_all() {
    let (address, _) = serve(|_| reply("200 OK", &[], b"local"));
    let setup = Setup::private();
    for host in ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]"] {
        let response = setup
            .fetch(&format!("http://{host}:{}/", address.port()))
            .unwrap();
        assert_eq!(response["body"], "local", "{host}");
    }
    for host in [
        "169.254.169.254",
        "0.0.0.0",
        "[::]",
        "[fd00:ec2::254]",
        "255.255.255.255",
    ] {
        let refusal = setup
            .fetch(&format!("http://{host}:{}/", address.port()))
            .unwrap_err();
        assert!(
            matches!(refusal, BeamRefusal::Forbidden { .. }),
            "{host}: {refusal}"
        );
    }
}

#[test]
fn the_edge_itself_is_never_reached_unless_mapped() {
    let (address, log) = serve(|_| reply("200 OK", &[], b"edge"));
    let port = address.port();
    let urls = [
        format!("http://127.0.0.1:{port}/"),
        format!("http://localhost:{port}/"),
        format!("http://[::ffff:127.0.0.1]:{port}/"),
    ];
    let everywhere = SocketAddr::from(([0, 0, 0, 0], port));
    for own in [
        address,
        everywhere,
        SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)),
    ] {
        let setup = Setup::private();
        // A connection opened before the edge registered that address must not be used any more.
        setup.fetch(&urls[0]).unwrap();
        let before = log.lock().unwrap().len();
        setup.beam.add_own_address(own);
        for url in &urls {
            let refusal = setup.fetch(url).unwrap_err();
            assert!(
                refusal.to_string().contains("this edge itself"),
                "{url}: {refusal}"
            );
        }
        assert_eq!(log.lock().unwrap().len(), before);
    }
    // Another port on the same address is another server.
    let (other, _) = serve(|_| reply("200 OK", &[], b"other"));
    let setup = Setup::private();
    setup.beam.add_own_address(everywhere);
    assert_eq!(
        setup.fetch(&format!("http://{other}/")).unwrap()["body"],
        "other"
    );
    // The operator may allow it.
    let setup = Setup::mapped(&[("edge.test", address.to_string())]);
    setup.beam.add_own_address(address);
    assert_eq!(setup.fetch("http://edge.test/").unwrap()["body"], "edge");
}

#[test]
fn redirects_are_checked_like_the_first_url() {
    let (inside, log) = serve(|_| reply("200 OK", &[], b"secret"));
    let location = format!("location: http://127.0.0.1:{}/", inside.port());
    let (outside, _) = serve(move |received| {
        let to = match received.line() {
            line if line.contains("/file") => "location: file:///etc/passwd",
            line if line.contains("/decimal") => "location: http://2130706433/",
            _ => &location,
        };
        reply("302 Found", &[to], b"")
    });
    let setup = Setup::mapped(&[("outside.test", outside.to_string())]);
    for path in ["", "decimal"] {
        let refusal = setup
            .fetch(&format!("http://outside.test/{path}"))
            .unwrap_err();
        assert!(
            matches!(refusal, BeamRefusal::Forbidden { .. }),
            "{refusal}"
        );
    }
    let refusal = setup.fetch("http://outside.test/file").unwrap_err();
    assert!(matches!(refusal, BeamRefusal::Url(_)), "{refusal}");
    assert!(log.lock().unwrap().is_empty(), "something got through");
}

/// A name server that gives another address a moment later is not asked then. These names do not exist: who asked would
/// reach nobody.
#[test]
fn the_connection_goes_to_the_address_that_was_checked() {
    let (address, log) = serve(|_| reply("200 OK", &[], b"checked"));
    let setup = Setup::private();
    for host in [
        "rebind.invalid",
        "rebind.invalid.",
        "REBIND.invalid",
        "re%62ind.invalid",
        "r\u{e9}bind.invalid",
    ] {
        let url = Url::parse(&format!("http://{host}:{}/", address.port())).unwrap();
        let name = url.host_str().unwrap();
        let client = setup.beam.pinned(name, &[address], "http").unwrap();
        let sent = setup._runtime.block_on(client.get(url.clone()).send());
        assert_eq!(sent.unwrap().status(), 200, "{host}");
    }
    assert_eq!(log.lock().unwrap().len(), 5);
}
