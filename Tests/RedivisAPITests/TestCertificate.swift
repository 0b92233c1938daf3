import Glibc

/// For 127.0.0.1 and localhost, signed by itself, valid from 2020 to 2120. Its key guards nothing: it stands here.
enum TestCertificate {
    static let certificate = """
        -----BEGIN CERTIFICATE-----
        MIIBeDCCAR2gAwIBAgIBATAKBggqhkjOPQQDAjAcMRowGAYDVQQDDBFyZWRpdmlz
        LXN5bmMgdGVzdDAgFw0yMDAxMDEwMDAwMDBaGA8yMTIwMDEwMTAwMDAwMFowHDEa
        MBgGA1UEAwwRcmVkaXZpcy1zeW5jIHRlc3QwWTATBgcqhkjOPQIBBggqhkjOPQMB
        BwNCAAQYT1D5/7ISM3XdXpUWbCjrdoWWZ8Pm54wJcLXnIOLEIdZVPnJru4X9tBB0
        O5uZLR3yM3q36O6gBpv8vvT/K9zMo04wTDAaBgNVHREEEzARhwR/AAABgglsb2Nh
        bGhvc3QwDwYDVR0TAQH/BAUwAwEB/zAdBgNVHQ4EFgQUcUc7+gLYi4QykhevRo/O
        Fc0BTLIwCgYIKoZIzj0EAwIDSQAwRgIhANlPGcvAey/OHZK4C6UESUxQtqlbViBz
        jgznIIxcEw3cAiEAtip1tzOjpdHIy//ahZ9jqDOhnn0YTtuZHK7Pc6qWiUA=
        -----END CERTIFICATE-----
        """

    static let key = """
        -----BEGIN PRIVATE KEY-----
        MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQguC/H4uefwQfZVBWB
        VPL+WCh63yLP3kl7sa2bnK8L1U2hRANCAAQYT1D5/7ISM3XdXpUWbCjrdoWWZ8Pm
        54wJcLXnIOLEIdZVPnJru4X9tBB0O5uZLR3yM3q36O6gBpv8vvT/K9zM
        -----END PRIVATE KEY-----
        """

    /// Of the same key and names, valid in 2001 only.
    static let expired = """
        -----BEGIN CERTIFICATE-----
        MIIBvDCCAWKgAwIBAgIUbwRatX86Wur3YYzTuvuYTs09D3IwCgYIKoZIzj0EAwIw
        HDEaMBgGA1UEAwwRcmVkaXZpcy1zeW5jLXRlc3QwHhcNMDEwMTAxMDAwMDAwWhcN
        MDIwMTAxMDAwMDAwWjAcMRowGAYDVQQDDBFyZWRpdmlzLXN5bmMtdGVzdDBZMBMG
        ByqGSM49AgEGCCqGSM49AwEHA0IABBhPUPn/shIzdd1elRZsKOt2hZZnw+bnjAlw
        tecg4sQh1lU+cmu7hf20EHQ7m5ktHfIzerfo7qAGm/y+9P8r3MyjgYEwfzAdBgNV
        HQ4EFgQUcUc7+gLYi4QykhevRo/OFc0BTLIwHwYDVR0jBBgwFoAUcUc7+gLYi4Qy
        khevRo/OFc0BTLIwDwYDVR0TAQH/BAUwAwEB/zAsBgNVHREEJTAjhwR/AAABhxAA
        AAAAAAAAAAAAAAAAAAABgglsb2NhbGhvc3QwCgYIKoZIzj0EAwIDSAAwRQIgajm+
        BRFrhtgXSDcGF7ief4TRL9PG8ScvKafwelgr86oCIQDN0nbYarGYdpriOwOY1izA
        AUnt78J4CijQMSZ7L8kjyw==
        -----END CERTIFICATE-----
        """

    /// The same from 2090 on.
    static let future = """
        -----BEGIN CERTIFICATE-----
        MIIBwTCCAWagAwIBAgIUVSoTvej4gtN2YrSUUdjg+YxZ5fQwCgYIKoZIzj0EAwIw
        HDEaMBgGA1UEAwwRcmVkaXZpcy1zeW5jLXRlc3QwIhgPMjA5MDAxMDEwMDAwMDBa
        GA8yMDk5MTIzMDAwMDAwMFowHDEaMBgGA1UEAwwRcmVkaXZpcy1zeW5jLXRlc3Qw
        WTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAQYT1D5/7ISM3XdXpUWbCjrdoWWZ8Pm
        54wJcLXnIOLEIdZVPnJru4X9tBB0O5uZLR3yM3q36O6gBpv8vvT/K9zMo4GBMH8w
        HQYDVR0OBBYEFHFHO/oC2IuEMpIXr0aPzhXNAUyyMB8GA1UdIwQYMBaAFHFHO/oC
        2IuEMpIXr0aPzhXNAUyyMA8GA1UdEwEB/wQFMAMBAf8wLAYDVR0RBCUwI4cEfwAA
        AYcQAAAAAAAAAAAAAAAAAAAAAYIJbG9jYWxob3N0MAoGCCqGSM49BAMCA0kAMEYC
        IQDlvVSpn9ug0i5TuWqxHslBo5DuphFps9n+/zHtAoI3BwIhAKEJo8q7FcM9YK35
        tD2liK0T9gW95U6nQXmjBUh8A2Ym
        -----END CERTIFICATE-----
        """

    /// The same for `other.test`.
    static let ofAnotherHost = """
        -----BEGIN CERTIFICATE-----
        MIIBpjCCAUygAwIBAgIUTV5lsWcCqseU6Vg/SN6CH+WSocswCgYIKoZIzj0EAwIw
        HDEaMBgGA1UEAwwRcmVkaXZpcy1zeW5jLXRlc3QwIBcNMjAwMTAxMDAwMDAwWhgP
        MjExOTEyMDgwMDAwMDBaMBwxGjAYBgNVBAMMEXJlZGl2aXMtc3luYy10ZXN0MFkw
        EwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEGE9Q+f+yEjN13V6VFmwo63aFlmfD5ueM
        CXC15yDixCHWVT5ya7uF/bQQdDubmS0d8jN6t+juoAab/L70/yvczKNqMGgwHQYD
        VR0OBBYEFHFHO/oC2IuEMpIXr0aPzhXNAUyyMB8GA1UdIwQYMBaAFHFHO/oC2IuE
        MpIXr0aPzhXNAUyyMA8GA1UdEwEB/wQFMAMBAf8wFQYDVR0RBA4wDIIKb3RoZXIu
        dGVzdDAKBggqhkjOPQQDAgNIADBFAiEAln26jtIvpapXBLd85yH2PCmd4VmEDcq1
        FSamHqeuwgICIHqlM1bipzz8FNxE4vKrfGu5lJmHyyeRNn+sMDHO1NaL
        -----END CERTIFICATE-----
        """

    /// The same, signed by `authority`.
    static let signed = """
        -----BEGIN CERTIFICATE-----
        MIIBozCCAUqgAwIBAgIBBzAKBggqhkjOPQQDAjAcMRowGAYDVQQDDBF1bmtub3du
        IGF1dGhvcml0eTAgFw0yMDAxMDEwMDAwMDBaGA8yMTE5MTIwODAwMDAwMFowHDEa
        MBgGA1UEAwwRcmVkaXZpcy1zeW5jLXRlc3QwWTATBgcqhkjOPQIBBggqhkjOPQMB
        BwNCAAQYT1D5/7ISM3XdXpUWbCjrdoWWZ8Pm54wJcLXnIOLEIdZVPnJru4X9tBB0
        O5uZLR3yM3q36O6gBpv8vvT/K9zMo3sweTAsBgNVHREEJTAjhwR/AAABhxAAAAAA
        AAAAAAAAAAAAAAABgglsb2NhbGhvc3QwCQYDVR0TBAIwADAdBgNVHQ4EFgQUcUc7
        +gLYi4QykhevRo/OFc0BTLIwHwYDVR0jBBgwFoAU+OA8FesNoPjN/zDYxvdqxLJw
        L9YwCgYIKoZIzj0EAwIDRwAwRAIgHJB8UHIAbxQ7ln0LG56PSvn9qruuRxj2vuGi
        LbGiMKgCIFJDWA6wBV2vFCNBZapVnvfwlfHF0S+FaPv48sPu+oYQ
        -----END CERTIFICATE-----
        """

    /// A certificate authority that nobody knows.
    static let authority = """
        -----BEGIN CERTIFICATE-----
        MIIBjzCCATWgAwIBAgIUCYGvokvglDHEjLHLTXpyMWhK7rwwCgYIKoZIzj0EAwIw
        HDEaMBgGA1UEAwwRdW5rbm93biBhdXRob3JpdHkwIBcNMjAwMTAxMDAwMDAwWhgP
        MjExOTEyMDgwMDAwMDBaMBwxGjAYBgNVBAMMEXVua25vd24gYXV0aG9yaXR5MFkw
        EwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE/JROOZaEZYz5NvJFwSRm7sq6qEoT82gM
        F1QxCO3kSItz7kWSnYp1Xnwpb2VL4Bvgz0loJ4IWvFVGHt2bzw3xQqNTMFEwHQYD
        VR0OBBYEFPjgPBXrDaD4zf8w2Mb3asSycC/WMB8GA1UdIwQYMBaAFPjgPBXrDaD4
        zf8w2Mb3asSycC/WMA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDSAAwRQIg
        DnMZdATX6XYIPJSfvpXgr/OX6kESLYMglhEIjf5BqUUCIQCwZwPyhaq0nIE46jUk
        Ql9m9J+2acX1SLkE6qhT8t4zGg==
        -----END CERTIFICATE-----
        """

    /// What a server needs: a certificate and its key, or the chain and the key.
    static func server(_ certificates: String...) -> String { (certificates + [key]).joined(separator: "\n") }
}

/// A PEM file that is removed with it.
final class PEMFile: Sendable {
    let path: String

    init(_ text: String) throws {
        var template = Array("/tmp/redivis-sync-ca-XXXXXX".utf8CString)
        let descriptor = mkstemp(&template)
        guard descriptor >= 0 else { throw Errno(rawValue: errno) }
        path = String(decoding: template.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        close(descriptor)
        try replace(with: text)
    }

    func replace(with text: String) throws {
        guard let file = fopen(path, "w") else { throw Errno(rawValue: errno) }
        fputs(text, file)
        fclose(file)
    }

    deinit { unlink(path) }
}

struct Errno: Error { let rawValue: Int32 }
