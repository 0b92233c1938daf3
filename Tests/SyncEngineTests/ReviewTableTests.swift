import SQLiteQueue
import SyncCore
import SyncTestSupport
import Synchronization
import Testing

@testable import SyncEngine

extension Review {
    /// What leads to a second registration, or to none, across the borders of directory, queue and remote.
    @Suite struct ReviewTableTests {
        private static let plain = ReviewFixture.table
        private static let withIDs = ReviewFixture.reference("demo.stations:ab12.readings:9xyz")
        private static let key = TableKey("demo.stations:ab12.readings:9xyz")

        /// Two spellings of one table are made ready at once. Where their listings mix, the end of the one takes away what
        /// the other has yet to confirm.
        @Test func twoSpellingsOfOneTableListItOneAfterTheOther() async throws {
            var switches = FakeRemote.Switches()
            switches.pageSize = 1
            let fixture = try ReviewFixture(switches)
            fixture.remote.addTable(Self.key, spelled: [Self.plain, Self.withIDs])
            for number in 0..<4 {
                fixture.remote.plant([UInt8(number)], named: "upload\(number).csv", on: Self.plain)
            }
            let queue = try await fixture.openQueue()
            // The second begins when the first is in the midst of its pages, and fails in its own second page.
            let (began, begin) = AsyncStream.makeStream(of: Void.self)
            let pages = Mutex([TableReference: Int]())
            let remote = WatchedRemote(inner: fixture.remote) { operation, table throws(Failure) in
                guard operation == .uploads, let table else { return }
                let page = pages.withLock { pages in
                    pages[table, default: 0] += 1
                    return pages[table, default: 0]
                }
                if table == Self.plain, page == 4 {
                    begin.yield()
                    try? await Task.sleep(for: .milliseconds(200))
                }
                if table == Self.withIDs, page == 2 { throw Failure(.transient, scope: .agent, "500") }
            }
            let directory = TableDirectory(
                ports: fixture.ports(queue, remote), registrationDoubt: .seconds(120), observer: { _ in })
            async let second: Void? = {
                for await _ in began { break }
                return try? await directory.prepare(Self.withIDs)
            }()
            try await directory.prepare(Self.plain)
            _ = await second
            for number in 0..<4 {
                let event = try await directory.lookUpBeforePost(UploadSearch("upload\(number).csv"), in: Self.plain)
                guard case .registrationFound = event else {
                    Issue.record("upload\(number).csv is on the table and was not found: \(event)")
                    continue
                }
            }
        }

        @Test func aDiscardedDraftIsNotTakenForUploads() async throws {
            let fixture = try ReviewFixture()
            fixture.remote.addTable(Self.key, spelled: [Self.plain])
            try fixture.write("a/one.csv", [1, 2, 3])
            _ = try await fixture.run([try fixture.mapping()])
            let name = try #require(fixture.names().first)
            // Somebody discards the draft with all that was in it.
            fixture.remote.addTable(Self.key, spelled: [Self.plain], hasDraft: false)
            let queue = try await fixture.openQueue()
            let directory = TableDirectory(ports: fixture.ports(queue), registrationDoubt: .zero, observer: { _ in })
            try await queue.recordListing(
                [RemoteUpload(uri: "/u", name: name, status: .completed, size: 3, md5: nil)], of: Self.key, in: .draft,
                isFirst: true, isLast: true)
            try await directory.prepare(Self.plain)
            guard case .registrationAbsent = try await directory.lookUpBeforePost(UploadSearch(name), in: Self.plain)
            else {
                Issue.record("an upload of a discarded draft was found")
                return
            }
        }

        /// Another agent registers the same file after our listing and before our post.
        @Test func aFileThatAnotherAgentWasFasterWithIsAdopted() async throws {
            let fixture = try ReviewFixture()
            try fixture.write("a/one.csv", [1, 2, 3])
            let other = try ReviewFixture()
            try other.write("a/one.csv", [1, 2, 3])
            _ = try await other.run([try other.mapping()])
            let name = try #require(other.names().first)
            let remote = WatchedRemote(inner: fixture.remote) { operation, table throws(Failure) in
                guard operation == .register, fixture.names().isEmpty else { return }
                fixture.remote.plant([1, 2, 3], named: name, on: Self.plain)
            }
            let delivered = Mutex<[Receipt]>([])
            _ = try await fixture.run([try fixture.mapping()], remote: remote) { report in
                guard case .moved(let delivery, _) = report, case .delivered(let receipt) = delivery.state else {
                    return
                }
                delivered.withLock { $0.append(receipt) }
            }
            #expect(fixture.names() == [name])
            #expect(delivered.withLock { $0.map(\.isAdopted) } == [true])
        }

        /// The version is released while several files are on their way: each finds it out by a refusal of its own.
        @Test func everyFileGoesOnInTheNextVersionAtOnce() async throws {
            let fixture = try ReviewFixture()
            fixture.remote.addTable(Self.key, spelled: [Self.plain])
            for number in 0..<4 { try fixture.write("a/\(number).csv", [UInt8(number)]) }
            // All four posts have set out when the release comes.
            let posts = Mutex(0)
            let remote = WatchedRemote(inner: fixture.remote) { operation, _ throws(Failure) in
                guard operation == .register else { return }
                let number = posts.withLock { count in
                    count += 1
                    return count
                }
                guard number <= 4 else { return }
                while posts.withLock({ $0 }) < 4 { try? await Task.sleep(for: .milliseconds(1)) }
                if number == 4 { fixture.remote.release(Self.plain) }
                try? await Task.sleep(for: .milliseconds(20))
            }
            let result = try await fixture.run([try fixture.mapping()], remote: remote)
            #expect(fixture.names().count == 4)
            #expect(result.workload.failing == 0)
        }
    }
}
