import SyncCore

/// What a walk along both copies of the chain found: the database's, and `receipts.jsonl`.
public struct ChainAudit: Hashable, Sendable {
    /// Receipts in the database, as far as they follow.
    public internal(set) var receipts = 0
    /// Lines of the file, as far as they follow.
    public internal(set) var fileLines = 0
    /// The end that the database had when the walk began; later receipts are not judged.
    public internal(set) var end = ChainLink.origin
    /// Where the database begins, when it goes on with the chain of a lost one.
    public internal(set) var base: ChainLink?
    /// The first of each copy.
    public internal(set) var problems: [Problem] = []

    public enum Problem: Hashable, Sendable {
        /// The number of the first receipt in the database that does not follow.
        case database(Int64, reason: String)
        /// The first line of the file that is not what it should be, from 1.
        case line(Int, reason: String)
        /// The file ends before this receipt, which the database has.
        case missing(Int64)
        /// The file ends within a line.
        case torn
        case noFile
    }
}

extension ChainAudit.Problem: CustomStringConvertible {
    public var description: String {
        let repair = "the next run appends it from the database"
        let keep = "move receipts.jsonl aside, and the next run writes it anew from the database"
        return switch self {
        case .database(let number, let reason):
            "receipt \(number) of the database: \(reason); it was changed by hand or the disk is failing: compare it "
                + "with receipts.jsonl and your backups"
        case .line(let line, let reason): "line \(line) of receipts.jsonl: \(reason); \(keep)"
        case .missing(let number): "receipt \(number) is missing at the end of receipts.jsonl; \(repair)"
        case .torn: "the last line of receipts.jsonl is torn; \(repair)"
        case .noFile: "receipts.jsonl is missing; the next run writes it anew from the database"
        }
    }
}

extension QueueReader {
    /// Walks along the chain in the database and in `receipts.jsonl`, page by page.
    ///
    /// - Parameters:
    ///   - isGrowing: whether an agent runs, which writes the file shortly behind the database: then the end of the
    ///     file is waited for.
    ///   - page: receipts that are in memory at once.
    /// - Throws: `Failure` of kind `stateUnavailable`.
    public func auditChain(isGrowing: Bool, page: Int = 500) async throws(Failure) -> ChainAudit {
        var audit = ChainAudit()
        (audit.base, audit.end) = try await read { database in
            let last = try database.lastReceipt()
            return (
                try database.receiptBase().map { ChainLink(sequence: $0.sequence, hash: $0.hash) },
                ChainLink(sequence: last.sequence, hash: last.hash)
            )
        }
        try await walkDatabase(&audit, page)
        try await walkFile(&audit, patience: isGrowing ? 30 : 0, page)
        return audit
    }

    private func walkDatabase(_ audit: inout ChainAudit, _ page: Int) async throws(Failure) {
        var walk = ChainWalk(after: audit.base ?? .origin)
        var after: Int64 = 0
        while after < audit.end.sequence {
            let lines = try await receipts(after: after, limit: page)
            guard let last = lines.last else { break }
            after = last.sequence
            for line in lines where line.sequence <= audit.end.sequence {
                if let reason = Self.trouble(of: line, &walk) {
                    audit.problems.append(.database(line.sequence, reason: reason))
                    return
                }
                audit.receipts += 1
            }
        }
    }

    private static func trouble(of line: ReceiptLine, _ walk: inout ChainWalk) -> String? {
        do throws(ChainBreak) {
            let number = try walk.step(Array(line.json.utf8))
            guard number == line.sequence else { return "it says that it is number \(number)" }
            return walk.end?.hash == line.hash ? nil : "it is not what its hash was made of"
        } catch {
            return words(error)
        }
    }

    private static func words(_ trouble: ChainBreak) -> String {
        guard case .notFollowing(let expected, let found) = trouble, found > expected else { return trouble.reason }
        return found - expected == 1
            ? "receipt \(expected) is missing before it" : "receipts \(expected) to \(found - 1) are missing before it"
    }

    // MARK: The file

    /// - Parameter patience: how often to look again, a tenth of a second later each time, for what is on its way.
    private func walkFile(_ audit: inout ChainAudit, patience: Int, _ page: Int) async throws(Failure) {
        guard var file = try ReceiptLines(receiptFile) else {
            if audit.receipts > 0 { audit.problems.append(.noFile) }
            return
        }
        var patience = patience
        var walk: ChainWalk?
        var pages = ReceiptPages(self, page)
        while true {
            let piece = try file.next()
            switch piece {
            case .line(let line):
                if let reason = try await trouble(of: line, &walk, &pages, audit.base) {
                    audit.problems.append(.line(audit.fileLines + 1, reason: reason))
                    return
                }
                audit.fileLines += 1
            case .torn, .end:
                let reached = walk?.end?.sequence ?? 0
                let isBehind = reached < audit.end.sequence && audit.receipts > 0
                guard isBehind || piece == .torn, patience > 0 else {
                    if piece == .torn { audit.problems.append(.torn) }
                    if isBehind, piece == .end {
                        audit.problems.append(.missing(max(reached, audit.base?.sequence ?? 0) + 1))
                    }
                    return
                }
                patience -= 1
                try? await Task.sleep(for: .milliseconds(100))
            }
        }
    }

    /// Why a line is not the one that comes next, or not the one that the database has.
    private func trouble(
        of line: [UInt8], _ walk: inout ChainWalk?, _ pages: inout ReceiptPages, _ base: ChainLink?
    ) async throws(Failure) -> String? {
        var next = walk ?? Self.beginning(with: line, base)
        do throws(ChainBreak) {
            try next.step(line)
        } catch {
            return Self.words(error)
        }
        walk = next
        guard let reached = next.end else { return nil }
        if let base, reached.sequence <= base.sequence {
            let agrees = reached.sequence < base.sequence || reached.hash == base.hash
            return agrees ? nil : "it is not the receipt that the database goes on from"
        }
        guard let kept = try await pages.receipt(reached.sequence) else { return "the database has no such receipt" }
        return kept.json.utf8.elementsEqual(line) ? nil : "it differs from the database's"
    }

    /// The file begins with the first receipt of all, or where it was written anew with the database's first.
    private static func beginning(with line: [UInt8], _ base: ChainLink?) -> ChainWalk {
        guard let base, let head = ReceiptChain.Head(line), head.seq == base.sequence &+ 1 else {
            return ChainWalk(after: .origin)
        }
        return ChainWalk(after: base)
    }
}

/// The database's receipts, asked for in ascending order.
private struct ReceiptPages {
    private let reader: QueueReader
    private let limit: Int
    private var page: ArraySlice<ReceiptLine> = []

    init(_ reader: QueueReader, _ limit: Int) {
        self.reader = reader
        self.limit = limit
    }

    mutating func receipt(_ sequence: Int64) async throws(Failure) -> ReceiptLine? {
        page = page.drop { $0.sequence < sequence }
        if page.isEmpty { page = try await reader.receipts(after: sequence - 1, limit: limit)[...] }
        return page.first.flatMap { $0.sequence == sequence ? $0 : nil }
    }
}
