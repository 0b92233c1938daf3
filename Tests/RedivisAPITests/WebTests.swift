import SyncCore
import Testing

@testable import RedivisAPI

@Suite("Addresses, tokens, dates")
struct WebTests {
    @Test(
        "an address is taken apart",
        arguments: [
            ("https://Redivis.com/api/v1", "https://redivis.com/api/v1"), ("HTTP://a.test", "http://a.test/"),
            ("https://a.test:443/x#frag", "https://a.test/x"), ("https://a.test:8443?q=1", "https://a.test:8443/?q=1"),
            ("http://[::1]:80/x", "http://[::1]/x"), ("http://[::1]:8080", "http://[::1]:8080/"),
            ("https://a.test/a b/ü|%zz%41", "https://a.test/a%20b/%C3%BC%7C%25zz%41"),
            ("https://a.test/t/a:b.c:next/uploads/1", "https://a.test/t/a:b.c:next/uploads/1"),
        ])
    func address(text: String, normal: String) {
        #expect(WebAddress(text)?.text == normal)
    }

    @Test(
        "an address that is none",
        arguments: [
            "", "a.test", "ftp://a.test", "https://", "https:///x", "https://user@a.test/", "https://a.test:0/",
            "https://a.test:99999/", "https://a.test:8x/", "https://a b/", "https://[]/", "https:/a.test",
            "https://ü.test",
        ])
    func noAddress(text: String) {
        #expect(WebAddress(text) == nil)
    }

    @Test("an address prints no secret")
    func redaction() throws {
        let address = try #require(WebAddress("https://storage.test/bucket?upload_id=SECRET"))
        #expect(!"\(address) \(String(reflecting: address))".contains("SECRET"))
        var dumped = ""
        dump(address, to: &dumped)
        #expect(!dumped.contains("SECRET"))
    }

    @Test(
        "a Location is resolved",
        arguments: [
            ("https://b.test/x?y", "https://b.test/x?y"), ("//b.test/x", "https://b.test/x"),
            ("/x?y=1", "https://a.test/x?y=1"), ("?y=1", "https://a.test/up/load?y=1"),
            ("other", "https://a.test/up/other"), ("ftp://b.test/", nil), ("../x", nil), ("", nil), ("mailto:x", nil),
        ])
    func location(reference: String, resolved: String?) throws {
        let base = try #require(WebAddress("https://a.test/up/load?z=2"))
        #expect(base.resolving(reference)?.text == resolved)
    }

    @Test(
        "the token goes to few",
        arguments: [
            ("https://redivis.com/x", true), ("https://redivis.com:443/", true), ("http://redivis.com/", false),
            ("https://redivis.com:8443/", false), ("https://evil.redivis.com/", false),
            ("https://redivis.com.evil.test/", false), ("https://storage.googleapis.com/", false),
            ("https://proxy.test/", true), ("http://proxy.test/", false), ("https://proxy.test:1/", false),
            ("https://other.test:8443/", true), ("https://other.test/", false),
        ])
    func token(address: String, mayCarry: Bool) throws {
        let api = try #require(WebAddress("https://redivis.com/api/v1")).origin
        let rules = TokenRules(api: api, sendTokenTo: ["proxy.test", "other.test:8443", "not a host"])
        #expect(rules.mayCarryToken(try #require(WebAddress(address))) == mayCarry)
    }

    @Test("an API elsewhere cannot have requests sent to services of this machine")
    func namedAddresses() throws {
        let elsewhere = try #require(WebAddress("https://redivis.com/api/v1"))
        let here = try #require(WebAddress("http://127.0.0.1:8080/api/v1"))
        for text in ["http://127.0.0.1:22/", "https://localhost/", "http://[::1]:80/"] {
            let named = try #require(WebAddress(text))
            #expect(!named.isPrivate(namedBy: elsewhere), "\(text)")
            #expect(named.isPrivate(namedBy: here), "\(text)")
        }
        #expect(try #require(WebAddress("https://storage.googleapis.com/x")).isPrivate(namedBy: elsewhere))
        #expect(try !#require(WebAddress("http://storage.googleapis.com/x")).isPrivate(namedBy: here))
    }

    @Test("a loopback API over http gets it, another port does not")
    func loopbackToken() throws {
        let rules = TokenRules(
            api: try #require(WebAddress("http://127.0.0.1:8000")).origin, sendTokenTo: ["127.0.0.1:9"])
        #expect(rules.mayCarryToken(try #require(WebAddress("http://127.0.0.1:8000/x"))))
        #expect(!rules.mayCarryToken(try #require(WebAddress("http://127.0.0.1:9/x"))))
        #expect(!rules.mayCarryToken(try #require(WebAddress("http://localhost:8000/x"))))
    }

    @Test(
        "a header's date",
        arguments: [
            ("Sun, 06 Nov 1994 08:49:37 GMT", 784_111_777), ("Sunday, 06-Nov-94 08:49:37 GMT", 784_111_777),
            ("Sun Nov  6 08:49:37 1994", 784_111_777), ("Thu, 29 Feb 2024 00:00:00 GMT", 1_709_164_800),
            ("Thu, 01 Jan 1970 00:00:00 GMT", 0), ("Tue, 31 Dec 2999 23:59:59 GMT", 32_503_679_999),
        ])
    func date(text: String, seconds: Int64) {
        #expect(HTTPDate.parse(text) == Timestamp(milliseconds: seconds * 1000))
    }

    @Test(
        "no date",
        arguments: ["", "now", "Sun, 06 Nov 1994 08:49:37 CET", "Sun, 99 Nov 1994 08:49:37 GMT", "a b c d e"])
    func noDate(text: String) {
        #expect(HTTPDate.parse(text) == nil)
    }

    @Test(
        "Retry-After in every spelling",
        arguments: [
            ("7", Duration.seconds(7)), (" 7 ", .seconds(7)), ("0", nil), ("-5", nil), ("soon", nil), ("nan", nil),
            ("1e99", nil),
            ("1000000000", nil), ("1700000030", .seconds(30)), ("1700000030000", .seconds(30)),
            ("999999999", .seconds(86_400)), ("Tue, 14 Nov 2023 22:14:20 GMT", .seconds(60)),
            ("Tue, 14 Nov 2023 22:12:20 GMT", nil), ("Tue, 14 Nov 2999 22:12:20 GMT", .seconds(86_400)),
        ])
    func retryAfter(text: String, wait: Duration?) {
        #expect(RetryAfter.parse(text, serverTime: nil, now: someTime) == wait)
    }

    @Test("Retry-After goes by the server's clock where it tells one")
    func serverClock() {
        let server = Timestamp(milliseconds: someTime.milliseconds + 20_000)
        #expect(RetryAfter.parse("1700000030", serverTime: server, now: someTime) == .seconds(10))
    }
}
