import SQLiteQueue
import SyncCore
import SyncTestSupport
import Synchronization
import Testing

@testable import SyncEngine

extension Review {
    /// One walk through a table for all who want to know something of it.
    @Suite struct TableObserverTests {
        private static let table = ReviewFixture.table
        private static func name(_ number: Int) -> String { "a\(number)-0123456789a\(number % 10).csv" }

        /// A table of ten pages, and a directory that has listed it.
        private static func fixture(_ remote: (FakeRemote) -> any UploadRemote = { $0 }) async throws -> (
            fixture: ReviewFixture, directory: TableDirectory
        ) {
            var switches = FakeRemote.Switches()
            switches.pageSize = 2
            let fixture = try ReviewFixture(switches)
            for number in 0..<20 { fixture.remote.plant([UInt8(number)], named: "other\(number).csv", on: table) }
            let directory = TableDirectory(
                ports: fixture.ports(try await fixture.openQueue(), remote(fixture.remote)),
                registrationDoubt: .seconds(60), observer: { _ in })
            try await directory.prepare(table)
            return (fixture, directory)
        }

        @Test func `a hundred doubts share one walk`() async throws {
            let (fixture, directory) = try await Self.fixture()
            let before = fixture.remote.calls(of: .uploads).count
            let windowEnds = fixture.clock.now().monotonic
            await withTaskGroup(of: Void.self) { group in
                for number in 0..<100 {
                    group.addTask {
                        let event = try? await directory.lookUpOnServer(
                            UploadSearch(Self.name(number)), in: Self.table, releasedAfter: nil, windowEnds: windowEnds)
                        guard case .registrationAbsent(let report)? = event else {
                            Issue.record("found what is not there: \(String(describing: event))")
                            return
                        }
                        #expect(report.begun.reached(windowEnds) == true)
                    }
                }
            }
            #expect(fixture.remote.calls(of: .uploads).count - before <= 2 * 10)
        }

        @Test func `before its window is over a doubt asks for one address`() async throws {
            let (fixture, directory) = try await Self.fixture()
            let before = fixture.remote.calls(of: .uploads).count
            let windowEnds = fixture.clock.now().monotonic.advanced(by: .seconds(60))
            fixture.remote.plant([1], named: Self.name(1), on: Self.table)
            let found = try await directory.lookUpOnServer(
                UploadSearch(Self.name(1)), in: Self.table, releasedAfter: nil, windowEnds: windowEnds)
            guard case .registrationFound = found else {
                Issue.record("not found: \(found)")
                return
            }
            #expect(fixture.remote.calls(of: .uploads).count == before)
        }

        @Test func `a listing goes on where a page failed`() async throws {
            let pages = Mutex(0)
            let (fixture, _) = try await Self.fixture { remote in
                WatchedRemote(inner: remote) { operation, _ throws(Failure) in
                    guard operation == .uploads else { return }
                    let number = pages.withLock { pages in
                        pages += 1
                        return pages
                    }
                    if number == 5 || number == 8 { throw Failure(.transient, "503") }
                }
            }
            #expect(pages.withLock { $0 } == 12)
            #expect(fixture.remote.calls(of: .uploads).count == 10)
        }

        @Test func `an upload with a tag of somebody else's is a sign of another agent`() async throws {
            let (fixture, directory) = try await Self.fixture()
            #expect(await !directory.isShared(Self.table))
            fixture.remote.plant([1], named: Self.name(1), on: Self.table)
            try await directory.sweep(Self.table)
            #expect(await directory.isShared(Self.table))
            // From now on an address is asked before a first post: the index of the start does not have this one.
            fixture.remote.plant([2], named: Self.name(2), on: Self.table)
            let event = try await directory.lookUpBeforePost(UploadSearch(Self.name(2)), in: Self.table)
            guard case .registrationFound = event else {
                Issue.record("not found: \(event)")
                return
            }
        }

        @Test func `a tag that a listing shows twice is told`() async throws {
            let (fixture, directory) = try await Self.fixture()
            let told = Mutex(Set<String>())
            await directory.tellDuplicates { found in told.withLock { $0.formUnion(found.tags) } }
            fixture.remote.plant([1], named: Self.name(3), on: Self.table)
            fixture.remote.plant([1], named: Self.name(3), on: Self.table)
            try await directory.sweep(Self.table)
            #expect(told.withLock { $0 } == ["-0123456789a3"])
        }
    }

    /// Which uploads are those of imports under way.
    @Suite struct ImportSearchTests {
        private static func delivery(_ uri: String, named name: String, adopted: Bool) throws -> Delivery {
            let registration = Registration(
                uri: uri, name: name, newestReleased: nil, registeredAt: Timestamp(milliseconds: 0), isAdopted: adopted)
            let observation = FileObservation(device: 1, inode: 1, size: 1, modified: 1, changed: 1)
            return Delivery(
                id: DeliveryID(1), mapping: try #require(MappingID("a")), table: ReviewFixture.table, tableKey: nil,
                path: try #require(RelativePath("data.csv")), observation: observation, content: nil, nameBase: [],
                uploadName: "data-0123456789ab.csv", state: .working(.importing(registration)))
        }

        private static func upload(_ uri: String, named name: String) -> RemoteUpload {
            RemoteUpload(uri: uri, name: name, status: .completed, size: 1, md5: nil)
        }

        @Test func `an adopted upload of another name is known by its uri alone`() throws {
            var search = ImportSearch([try Self.delivery("uploads/1", named: "data.csv", adopted: true)])
            #expect(search.meet([Self.upload("uploads/2", named: "data.csv")]).isEmpty)
            #expect(search.settleByName().isEmpty)
            #expect(search.meet([Self.upload("uploads/1", named: "data.csv")]).count == 1)
            #expect(search.isDone)
        }

        @Test(arguments: [true, false]) func `a name that is made of the content is enough`(_ isAdopted: Bool) throws {
            let name = "data-0123456789ab.csv"
            var search = ImportSearch([try Self.delivery("uploads/1", named: name, adopted: isAdopted)])
            #expect(search.meet([Self.upload("uploads/2", named: name)]).isEmpty)
            #expect(search.settleByName().map(\.0.uri) == ["uploads/2"])
            #expect(search.isDone)
        }
    }
}
