import Crypto
import Glibc

/// The unguessable part of upload URLs: `HMAC-SHA256(key, id)`, hexadecimal. So the key file is the only secret on the
/// disk, and every log can name an upload by its id.
struct SessionSecrets: Sendable {
    private let key: SymmetricKey

    /// Takes the key that the directory has, or makes one (64 hexadecimal digits, mode 0600).
    init(keyFile: String) throws(FileFailure) {
        if let content = try Files.read(keyFile),
            let bytes = Hexadecimal.decode(String(decoding: content.prefix { $0 > 0x20 }, as: UTF8.self)),
            bytes.count == 32
        {
            key = SymmetricKey(data: bytes)
            return
        }
        let fresh = SymmetricKey(size: .bits256)
        let text = fresh.withUnsafeBytes { Hexadecimal.encode($0) }
        try Files.replace(keyFile, with: Array("\(text)\n".utf8), mode: 0o600)
        key = fresh
    }

    func secret(for id: String) -> String {
        Hexadecimal.encode(HMAC<SHA256>.authenticationCode(for: Array(id.utf8), using: key))
    }

    func matches(_ secret: String, id: String) -> Bool {
        guard let bytes = Hexadecimal.decode(secret) else { return false }
        return HMAC<SHA256>.isValidAuthenticationCode(bytes, authenticating: Array(id.utf8), using: key)
    }
}
