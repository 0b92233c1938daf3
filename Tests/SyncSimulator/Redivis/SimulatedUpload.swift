import SyncCore
import SyncTestSupport

/// An upload on a table, as the server knows it.
package final class SimulatedUpload {
    package enum Place: Hashable {
        case draft
        case released(VersionTag)
        case removed
    }

    package let number: Int
    package let table: TableKey
    package let name: String
    package let cells: [UInt8]
    /// Which process registered it; `SeededScheduler.world` for other people's.
    package let owner: Int
    package let registeredAt: Int64
    let visibleAt: Int64
    let importEnds: Int64
    let importFails: Bool
    let hasWrongMD5: Bool
    let uri: String
    package var place = Place.draft
    /// When it was taken off, and by whom.
    package var removed: (at: Int64, by: Int)?

    init(
        number: Int, table: TableKey, name: String, cells: [UInt8], owner: Int, registeredAt: Int64, visibleAt: Int64,
        importEnds: Int64, importFails: Bool, hasWrongMD5: Bool, uri: String
    ) {
        self.number = number
        self.table = table
        self.name = name
        self.cells = cells
        self.owner = owner
        self.registeredAt = registeredAt
        self.visibleAt = visibleAt
        self.importEnds = importEnds
        self.importFails = importFails
        self.hasWrongMD5 = hasWrongMD5
        self.uri = uri
    }

    /// What the server adds to a name that is taken.
    static let mark = " (1)"
    var isRenamed: Bool { name.hasSuffix(Self.mark) }

    /// Whether its rows are in the table, or will be.
    package var isLive: Bool { place != .removed && !importFails }

    func report(at now: Int64, tellsMD5: Bool) -> RemoteUpload {
        guard now >= importEnds else {
            return RemoteUpload(uri: uri, name: name, status: .inProgress, size: nil, md5: nil)
        }
        return RemoteUpload(
            uri: uri, name: name, status: importFails ? .failed("bad delimiter") : .completed,
            size: Cells.size(cells), md5: tellsMD5 ? Cells.md5(hasWrongMD5 ? cells + [0] : cells) : nil)
    }
}

/// Contents are cells: one byte stands for 64 KiB of a file.
package enum Cells {
    package static let size: Int64 = 65_536

    package static func size(_ cells: some Collection<UInt8>) -> Int64 { Int64(cells.count) * size }
    package static func md5(_ cells: [UInt8]) -> Digest { Digest.md5(of: cells) }
}
