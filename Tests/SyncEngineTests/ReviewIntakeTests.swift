import SQLiteQueue
import SyncCore
import SyncTestSupport
import Synchronization
import SystemPackage
import Testing

@testable import SyncEngine

extension Review {
    @Suite struct ReviewIntakeTests {
        /// Lists what it was given, with problems.
        private struct PartialScanner: FolderScanner {
            let files: [SeenFile]
            let unreadable: [RelativePath]

            func scan(
                _ folder: FilePath, recursive: Bool, batchSize: Int,
                skipsDirectory: @escaping @Sendable (RelativePath) -> Bool,
                handle: @Sendable ([SeenFile]) async throws -> Void
            ) async throws -> ScanReport {
                try await handle(files)
                var report = ScanReport()
                report.files = files.count
                report.problems = unreadable.map { ScanReport.Problem(path: $0, reason: "Permission denied") }
                report.problemCount = unreadable.count
                report.unseen = unreadable
                return report
            }
        }

        private func path(_ text: String) throws -> RelativePath { try #require(RelativePath(bytes: Array(text.utf8))) }

        private func seen(_ text: String, inode: UInt64) throws -> SeenFile {
            SeenFile(
                path: try path(text),
                observation: FileObservation(device: 1, inode: inode, size: 3, modified: 5, changed: 5), links: 1)
        }

        private func scan(
            _ fixture: ReviewFixture, _ queue: SQLiteQueue, _ files: [SeenFile], unreadable: [RelativePath] = []
        ) async throws -> [String: Bool] {
            let mapping = try fixture.mapping(quiet: .seconds(30), existing: .skip)
            var ports = fixture.ports(queue)
            ports = EnginePorts(
                clock: ports.clock, scanner: PartialScanner(files: files, unreadable: unreadable),
                sources: ports.sources, queue: queue, remote: fixture.remote, random: ports.random)
            let configuration = Configuration(settings: AgentSettings(), mappings: [mapping])
            let intake = FolderIntake(
                configuration: LiveConfiguration(configuration), ports: ports, host: "host", observer: { _ in })
            _ = try await intake.scanAll()
            let far = fixture.clock.now().monotonic.advanced(by: .seconds(3600))
            let settling = try await queue.settlingDue(at: far, limit: 100)
            return Dictionary(uniqueKeysWithValues: settling.map { ($0.path.description, $0.isExisting) })
        }

        /// With `existing: skip` every later file would be ignored for ever because of one folder that is never to be
        /// read, such as lost+found.
        @Test func oneUnreadableFolderDoesNotMakeEveryLaterFileAnOldOne() async throws {
            let fixture = try ReviewFixture()
            let queue = try await fixture.openQueue()
            let hidden = try path("private")
            let old = try seen("old.csv", inode: 1)
            #expect(try await scan(fixture, queue, [old], unreadable: [hidden]) == ["old.csv": true])
            let new = try seen("new.csv", inode: 2)
            let later = try await scan(fixture, queue, [old, new], unreadable: [hidden])
            #expect(later == ["old.csv": true, "new.csv": false])
            // What comes to light there was there before; and only until it was seen once.
            let found = try seen("private/x.csv", inode: 3)
            let beside = try seen("private2/y.csv", inode: 4)
            let open = try await scan(fixture, queue, [old, new, found, beside])
            #expect(open["private/x.csv"] == true)
            #expect(open["private2/y.csv"] == false)
            let last = try await scan(fixture, queue, [old, new, found, try seen("private/z.csv", inode: 5)])
            #expect(last["private/z.csv"] == false)
        }

        /// `forget` and `retry` together are no way around `resolve`.
        @Test func aHeldFileThatWasForgottenAndRememberedIsHeldAgain() async throws {
            let fixture = try ReviewFixture()
            let mapping = try fixture.mapping()
            try fixture.write("a/one.csv", [1, 2, 3])
            let first = try await fixture.openQueue()
            _ = try await fixture.run([mapping], queue: first)
            try fixture.write("a/one.csv", [4, 5, 6, 7])
            _ = try await fixture.run([mapping], queue: first)
            for hand in [HandDecision.forgotten, .retryRequested] {
                let versions = try await first.reader.deliveries(at: try path("one.csv"), mapping: mapping.id)
                let newest = try #require(versions.last)
                let context = DecisionContext(
                    now: fixture.clock.now(), jitter: 0, table: TableKey("t"), policy: DeliveryPolicy())
                let decision = newest.decide(on: .byHand(hand), in: context)
                #expect(decision.delivery != newest)
                _ = try await first.save(decision, at: fixture.clock.now())
            }
            _ = try await fixture.run([mapping], queue: first)
            let versions = try await first.reader.deliveries(at: try path("one.csv"), mapping: mapping.id)
            #expect(versions.last?.state == .held(.changed))
            #expect(fixture.names().count == 1)
        }
    }
}
