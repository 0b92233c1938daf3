/// Who may see the token: the API's own origin, and hosts that the mapping file names under `send_token_to`, those
/// over https only. Session addresses come out of answers, so an answer must not be able to lead the token elsewhere.
struct TokenRules: Hashable, Sendable {
    let api: WebAddress.Origin
    private let others: Set<WebAddress.Origin>

    /// - Parameter hosts: `host` (port 443) or `host:port`; others of them are no hosts and never match.
    init(api: WebAddress.Origin, sendTokenTo hosts: [String]) {
        self.api = api
        others = Set(hosts.compactMap { WebAddress("https://\($0)/")?.origin })
    }

    func mayCarryToken(_ address: WebAddress) -> Bool {
        guard address.isPrivate else { return false }
        return address.origin == api || (address.origin.scheme == .https && others.contains(address.origin))
    }

    /// A header field takes visible ASCII only; a token that is more than that was read from the wrong file.
    static func isWellFormed(_ token: String) -> Bool {
        !token.isEmpty && token.utf8.allSatisfy { (0x21...0x7E).contains($0) }
    }
}
