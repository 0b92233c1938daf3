// Foundation: reading a file of the repository.
import Foundation
import SyncCore
import Testing

@testable import RedivisSyncCLI

/// docs/operations.md lists every reason for which a file rests, with its remedy, in the words of the program.
@Suite struct OperationsDocumentTests {
    private static let document: String = {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        return (try? String(contentsOf: root.appending(path: "docs/operations.md"), encoding: .utf8)) ?? ""
    }()

    private static let words = "…"

    private static let parks: [ParkReason] = [
        .importFailed(words), .contentDiffers(words), .rejected(words), .sessionRefused(words), .sessionsLost(words),
        .unreadable(words), .nameTaken(words), .removedFromTable, .stateDamaged(words), .withdrawalRefused(words),
    ]
    private static let holds: [HoldReason] = [.changed, .tableHasOtherUploads, .equalsUpload("NAME"), .existing]
    private static let ends: [AbandonReason] = [.gone, .superseded, .ignored(words), .forgotten]

    /// A case that is added to one of these has to be added to the lists above, too: this stops compiling.
    private static func isListed(_ reason: ParkReason) -> Bool {
        switch reason {
        case .importFailed, .contentDiffers, .rejected, .sessionRefused, .sessionsLost, .unreadable, .nameTaken,
            .removedFromTable, .stateDamaged, .withdrawalRefused:
            true
        }
    }

    private static func isListed(_ reason: HoldReason) -> Bool {
        switch reason {
        case .changed, .tableHasOtherUploads, .equalsUpload, .existing: true
        }
    }

    private static func isListed(_ reason: AbandonReason) -> Bool {
        switch reason {
        case .gone, .superseded, .ignored, .forgotten: true
        }
    }

    @Test(arguments: parks.map { Remedy(for: $0) } + holds.map { Remedy(for: $0) } + ends.map { Remedy(for: $0) })
    func everyReasonIsThere(remedy: Remedy) {
        let plain = Self.document.filter { $0 != "`" }
        #expect(plain.contains("| \(remedy.reason) |"), "no row for: \(remedy.reason)")
    }

    @Test(arguments: parks.map { Remedy(for: $0) })
    func everyRemedyOfAParkIsThere(remedy: Remedy) throws {
        let plain = Self.document.filter { $0 != "`" }
        let action = try #require(remedy.action).filter { $0 != "`" }
        #expect(plain.contains("| \(remedy.reason) | \(action) |"), "another remedy: \(action)")
    }

    @Test func theListsAreWhole() {
        #expect(Self.parks.allSatisfy { Self.isListed($0) } && Set(Self.parks).count == Self.parks.count)
        #expect(Self.holds.allSatisfy { Self.isListed($0) } && Self.ends.allSatisfy { Self.isListed($0) })
    }
}
