import SyncCore
import SystemPackage

/// Why there is no token to use. Never says what was read.
public enum TokenProblem: Error, Hashable, Sendable {
    case none(beside: FilePath)
    case unreadable(FilePath, String, remedy: String)
    /// Others may read or write the file.
    case exposed(FilePath, mode: UInt32)
    case malformed(String, isEmpty: Bool)
}

extension TokenProblem: CustomStringConvertible {
    public var description: String {
        switch self {
        case .none(let beside):
            "there is no token; make one in Redivis with the scope data.edit, and put it into \(beside) (chmod 600) "
                + "or $REDIVIS_API_TOKEN"
        case .unreadable(let path, let what, let remedy): "the token file \(path) \(what); \(remedy)"
        case .exposed(let path, let mode):
            "the token file \(path) has mode 0\(String(mode, radix: 8)), so every user can get at it; "
                + "run: chmod 600 \(Self.quoted(path))"
        case .malformed(let source, let isEmpty):
            "\(source) \(isEmpty ? "is empty" : "holds no token: one line without blanks is wanted"); "
                + "copy the token into it again"
        }
    }

    /// For a shell.
    private static func quoted(_ path: FilePath) -> String {
        let plain = Array("/._-+=:@%".utf8)
        let isPlain = path.string.unicodeScalars.allSatisfy { scalar in
            scalar.isASCII && (scalar.properties.isAlphabetic || scalar.properties.numericType != nil)
                || plain.contains { $0 == scalar.value }
        }
        return isPlain ? path.string : "'\(path.string.replacing("'", with: "'\\''"))'"
    }
}
