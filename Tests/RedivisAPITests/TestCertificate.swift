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
}
