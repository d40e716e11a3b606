//! Mapped hosts, and the certificates they present.

use super::*;

#[test]
fn hosts_are_mapped_by_name_and_port() {
    let (any, _) = serve(|_| reply("200 OK", &[], b"any port"));
    let (one, _) = serve(|_| reply("200 OK", &[], b"port 8443"));
    let setup = Setup::mapped(&[
        ("API.Example.test", any.to_string()),
        (
            "api.example.test:8443",
            format!("http://localhost:{}", one.port()),
        ),
        ("api.example.test:443", format!("http://{one}/")),
        ("192.0.2.7", any.to_string()),
        ("[2001:db8::7]", any.to_string()),
    ]);
    for (url, body) in [
        ("http://api.example.test/", "any port"),
        ("https://api.example.test:8443/", "port 8443"),
        ("http://api.example.test:8443/", "port 8443"),
        ("https://api.example.test/", "port 8443"),
        ("https://API.example.TEST:99/", "any port"),
        ("http://192.0.2.7/", "any port"),
        ("https://[2001:db8::7]/", "any port"),
    ] {
        // Twice: the second time from the cache.
        for _ in 0..2 {
            assert_eq!(setup.fetch(url).unwrap()["body"], body, "{url}");
        }
    }
    assert!(setup.fetch("http://sub.api.example.test/").is_err());
}

#[test]
fn wrong_mappings_are_refused_at_the_start() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    for (from, to) in [
        ("http://a.test", "127.0.0.1:1"),
        ("a.test/path", "127.0.0.1:1"),
        ("user@a.test", "127.0.0.1:1"),
        ("", "127.0.0.1:1"),
        ("a.test", "127.0.0.1"),
        ("a.test", "localhost:80"),
        ("a.test", "ftp://localhost"),
        ("a.test", "http://localhost/path"),
        ("a.test", "http://localhost/?q"),
        ("a.test", ""),
    ] {
        let error =
            Beam::new(mapped(&[(from, to.to_owned())]), runtime.handle().clone()).unwrap_err();
        assert!(
            error.to_string().contains("[beam.hosts]"),
            "{from} = {to}: {error}"
        );
    }
    let config = BeamConfig {
        extra_ca: Some("/no/such/file".into()),
        ..BeamConfig::default()
    };
    let error = Beam::new(config, runtime.handle().clone()).unwrap_err();
    assert!(error.to_string().contains("/no/such/file"), "{error}");
}

/// A TLS server for `name`, and a file with the certificate that it uses.
fn serve_tls(name: &str, dir: &tempfile::TempDir) -> (SocketAddr, PathBuf) {
    let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    let file = dir.path().join(format!("{name}.pem"));
    std::fs::write(&file, made.cert.pem()).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let connection = rustls::ServerConnection::new(config.clone()).unwrap();
            let mut tls = rustls::StreamOwned::new(connection, stream.unwrap());
            if let Some(received) = read_request(&mut tls) {
                let host = received.header("host").unwrap_or_default().to_owned();
                let _ = tls.write_all(&reply("200 OK", &[], host.as_bytes()));
                tls.conn.send_close_notify();
                let _ = tls.flush();
            }
        }
    });
    (address, file)
}

#[test]
fn https_is_checked_against_the_name_in_the_url() {
    let dir = tempfile::tempdir().unwrap();
    let (address, certificate) = serve_tls("api.example.test", &dir);
    let to = format!("https://{address}");
    let hosts = [("api.example.test", to.clone()), ("other.test", to)];
    let config = BeamConfig {
        extra_ca: Some(certificate),
        ..mapped(&hosts)
    };
    let trusting = Setup::new(config);
    let response = trusting.fetch("https://api.example.test/").unwrap();
    assert_eq!(response["body"], "api.example.test");
    // http becomes https where the mapping says so.
    assert_eq!(
        trusting.fetch("http://api.example.test/").unwrap()["status"],
        200
    );
    let refusal = trusting.fetch("https://other.test/").unwrap_err();
    assert!(refusal.to_string().contains("certificate"), "{refusal}");
    let distrusting = Setup::mapped(&hosts);
    let refusal = distrusting.fetch("https://api.example.test/").unwrap_err();
    assert!(refusal.to_string().contains("certificate"), "{refusal}");
}
