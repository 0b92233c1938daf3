import SyncCore
import SyncTestSupport
import Testing

@testable import RedivisAPI

@Suite("Proxies", .timeLimit(.minutes(1)))
struct ProxyTests {
    private static func proxy(_ environment: [String: String], for address: String) throws -> String? {
        try ProxySettings(environment).proxy(for: try #require(WebAddress(address)))?.place
    }

    @Test(
        "a variable names one",
        arguments: [
            ("http://proxy.test:3128", "proxy.test:3128", nil), ("proxy.test:3128", "proxy.test:3128", nil),
            ("HTTP://Proxy.Test:80/", "proxy.test:80", nil), ("http://[fd00::1]:8080", "[fd00::1]:8080", nil),
            ("http://u:p%40ss@proxy.test:1", "proxy.test:1", "u:p@ss"), ("u@proxy.test:1", "proxy.test:1", "u:"),
            ("http://u:a:b@proxy.test:1", "proxy.test:1", "u:a:b"),
        ] as [(String, String, String?)])
    func named(text: String, place: String, credentials: String?) throws {
        for variable in ProxySettings.variables {
            let proxy = try #require(try ProxySettings([variable: text]).proxy)
            #expect(proxy.place == place && proxy.variable == variable)
            #expect(proxy.credentials?.revealed == credentials)
            #expect(credentials == nil || !"\(proxy)\(String(reflecting: proxy))".contains("ss"))
        }
    }

    @Test(
        "one that cannot be used is refused, without its password",
        arguments: [
            "https://proxy.test:1", "socks5://proxy.test:1", "socks5h://u:secret@proxy.test:1", "proxy.test", "http://",
            "http://proxy.test:", "http://proxy.test:99999", "http://proxy.test:1/path", "http://u:secret%zz@a b:1",
            "ftp://proxy.test:21", "http://u:secret%0A@proxy.test:1", "secret@:1",
        ])
    func unusable(text: String) {
        let failure = #expect(throws: Failure.self) { try ProxySettings(["HTTPS_PROXY": text]) }
        #expect(failure?.kind == .rejected && failure?.summary.contains("HTTPS_PROXY") == true)
        #expect(failure?.description.contains("secret") == false)
    }

    @Test("the more particular variable wins, lower case first, and empty ones are not set")
    func order() throws {
        var environment = ["ALL_PROXY": "d:1"]
        #expect(try Self.proxy(environment, for: "https://redivis.com") == "d:1")
        environment["all_proxy"] = "c:1"
        #expect(try Self.proxy(environment, for: "https://redivis.com") == "c:1")
        environment["HTTPS_PROXY"] = "b:1"
        #expect(try Self.proxy(environment, for: "https://redivis.com") == "b:1")
        environment["https_proxy"] = "a:1"
        #expect(try Self.proxy(environment, for: "https://redivis.com") == "a:1")
        environment["https_proxy"] = ""
        #expect(try Self.proxy(environment, for: "https://redivis.com") == "b:1")
        // Set by whoever sends a request to a CGI program, and for plain http only.
        #expect(try Self.proxy(["HTTP_PROXY": "x:1", "http_proxy": "x:1"], for: "https://redivis.com") == nil)
    }

    @Test(
        "loopback is never reached by way of one",
        arguments: ["http://127.0.0.1:8383", "https://127.8.9.1/", "https://localhost:1/", "https://[::1]/"])
    func loopback(address: String) throws {
        #expect(try Self.proxy(["ALL_PROXY": "proxy.test:1"], for: address) == nil)
    }

    @Test(
        "what is excepted",
        arguments: [
            ("*", "https://redivis.com", true), ("redivis.com", "https://redivis.com", true),
            ("redivis.com", "https://api.redivis.com", true), (".redivis.com", "https://redivis.com", true),
            ("*.redivis.com", "https://api.redivis.com", true), ("REDIVIS.com.", "https://Redivis.COM", true),
            ("redivis.com", "https://notredivis.com", false), ("redivis.com", "https://redivis.com.test", false),
            ("a.test, redivis.com", "https://redivis.com", true), ("a.test redivis.com", "https://redivis.com", true),
            ("redivis.com:443", "https://redivis.com", true), ("redivis.com:8443", "https://redivis.com", false),
            ("", "https://redivis.com", false), (",, ,", "https://redivis.com", false),
            ("10.0.0.0/8", "https://10.1.2.3", true), ("10.0.0.0/8", "https://11.1.2.3", false),
            ("10.0.0.0/9", "https://10.128.0.1", false), ("10.0.0.1", "https://10.0.0.1", true),
            ("10.0.0.1:444", "https://10.0.0.1", false), ("0.0.0.0/0", "https://10.0.0.1", true),
            ("0.0.0.0/0", "https://redivis.com", false), ("10.0.0.0/33", "https://10.0.0.1", false),
            ("0.1", "https://10.0.0.1", false), ("fd00::/8", "https://[fd12::1]", true),
            ("[fd12::1]", "https://[fd12::1]", true), ("[fd12::1]:443", "https://[fd12::1]", true),
            ("fd12::2", "https://[fd12::1]", false), ("::/0", "https://10.0.0.1", false),
        ])
    func exceptions(list: String, address: String, isExcepted: Bool) throws {
        for variable in ProxySettings.exceptionVariables {
            let way = try Self.proxy(["HTTPS_PROXY": "proxy.test:1", variable: list], for: address)
            #expect((way == nil) == isExcepted)
        }
    }

    // MARK: On the wire

    private static func refused(
        _ credentials: String = "", patience: Patience = Patience(),
        by script: @escaping @Sendable (inout RawServer.Connection) async throws -> Void
    ) async throws -> (Failure?, [RawServer.Request]) {
        try await RawServer.serve(script) { server, port in
            let proxies = try ProxySettings(["HTTPS_PROXY": "http://\(credentials)127.0.0.1:\(port)"])
            return try await withRemote("https://redivis.test/api/v1", patience: patience, proxies: proxies) { remote in
                let failure = await #expect(throws: Failure.self) {
                    try await remote.register(RegistrationWireTests.request())
                }
                return (failure, server.requests)
            }
        }
    }

    @Test("it is asked for the server by name, with its own password and without the token")
    func connect() async throws {
        let (failure, requests) = try await Self.refused("u:p%40ss@") { connection in
            _ = try await connection.head()
            try await connection.answer("407 Proxy Authentication Required", ["Proxy-Authenticate: Basic"])
        }
        let request = try #require(requests.first)
        #expect(request.method == "CONNECT" && request.target == "redivis.test:443")
        // "u:p@ss"
        #expect(request.fields["proxy-authorization"] == "Basic dTpwQHNz")
        #expect(request.fields["authorization"] == nil)
        #expect(failure?.kind == .transient && failure?.scope == .agent)
        #expect(failure?.summary.contains("does not accept the user name and password in HTTPS_PROXY") == true)
        #expect(failure?.description.contains("p@ss") == false)
    }

    @Test("each refusal has its words and passes by itself", arguments: ["407", "403", "502", "503", "504"])
    func refusals(status: String) async throws {
        let (failure, requests) = try await Self.refused { connection in
            _ = try await connection.head()
            try await connection.answer("\(status) Sorry", ["Content-Type: text/html"], "<html>no</html>")
        }
        #expect(requests.first?.fields["proxy-authorization"] == nil)
        // Nothing of the registration has left, so this is no doubt.
        #expect(failure?.kind == .transient && failure?.scope == .agent)
        let words = status == "407" ? "asks for a user name and a password" : "does not connect to redivis.test"
        #expect(failure?.summary.contains(words) == true, "\(failure.map(String.init(describing:)) ?? "")")
        #expect(failure?.hint != nil)
    }

    @Test("one that is not there, and one that never answers")
    func absent() async throws {
        let proxies = try ProxySettings(["HTTPS_PROXY": "127.0.0.1:1"])
        try await withRemote("https://redivis.test/api/v1", proxies: proxies) { remote in
            let failure = await #expect(throws: Failure.self) { try await remote.table(ContractTests.table) }
            #expect(failure?.kind == .transient)
            #expect(failure?.summary.contains("the proxy 127.0.0.1:1") == true)
        }
        var patience = Patience()
        patience.connect = .seconds(1)
        let (failure, _) = try await Self.refused(patience: patience) { connection in
            _ = try await connection.head()
            try await connection.silence()
        }
        #expect(failure?.kind == .transient)
        // Whichever of the client's two time-outs comes first.
        #expect(failure?.summary.contains("the proxy 127.0.0.1:") == true)
        #expect(failure?.summary.contains("(time-out)") == true)
    }
}
