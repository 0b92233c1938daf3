import SystemPackage

/// One token and all tables that it is for: what Redivis refuses to it, it refuses to these tables alone.
public struct TokenAccount: Hashable, Sendable {
    /// A mapping's own `token_file`; `nil`: the token of the whole mapping file.
    public let tokenFile: FilePath?

    public init(tokenFile: FilePath?) {
        self.tokenFile = tokenFile
    }

    public static let standard = TokenAccount(tokenFile: nil)
}

extension TableReference {
    /// Whether both may name one table: the names say so but for case, and no id says otherwise. Only Redivis knows for
    /// sure.
    public func mayBeSame(as other: TableReference) -> Bool {
        looseName == other.looseName && dataset.agrees(with: other.dataset) && table.agrees(with: other.table)
    }

    /// Equal for all spellings of one table by its names.
    public var looseName: String { "\(owner).\(dataset.name).\(table.name)".lowercased() }
}

extension TableReference.Name {
    fileprivate func agrees(with other: Self) -> Bool {
        guard let id, let otherID = other.id else { return true }
        return id == otherID
    }
}
