import GRDB

/// The tables, migration by migration. A migration that was released is never edited: a change is a new one.
///
/// Tables and columns are named like Swift values, singular, so that SQL and Swift read alike. Paths are BLOBs:
/// names are bytes. Digests are BLOBs of their length.
enum Schema {
    static var migrator: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        migrator.registerMigration("1 the queue") { database in
            try database.execute(sql: version1Tables)
            try database.execute(sql: version1Indexes)
            try database.execute(sql: version1Triggers)
        }
        migrator.registerMigration("2 places that the first scan could not see") { database in
            try database.execute(
                sql: """
                    CREATE TABLE unseen (
                        mapping INTEGER NOT NULL REFERENCES mapping (id),
                        path BLOB NOT NULL CHECK (length(path) > 0),
                        PRIMARY KEY (mapping, path)
                    ) STRICT, WITHOUT ROWID;
                    """)
        }
        migrator.registerMigration("3 pauses") { database in
            // `pause` of everything is the key 'paused' of `meta`. A row that waits for it has no work.
            try database.execute(
                sql: """
                    ALTER TABLE mapping ADD COLUMN pausedByHand INTEGER NOT NULL DEFAULT 0
                        CHECK (pausedByHand IN (0, 1));
                    ALTER TABLE mapping ADD COLUMN pausedByFile INTEGER NOT NULL DEFAULT 0
                        CHECK (pausedByFile IN (0, 1));
                    """)
        }
        migrator.registerMigration("4 folders that are not there") { database in
            // Rows of a mapping whose folder is absent have no work, as those of a paused one. What the folder was when
            // it was last there tells an empty mount point from it.
            try database.execute(
                sql: """
                    ALTER TABLE mapping ADD COLUMN isAbsent INTEGER NOT NULL DEFAULT 0 CHECK (isAbsent IN (0, 1));
                    ALTER TABLE mapping ADD COLUMN folder BLOB;
                    ALTER TABLE mapping ADD COLUMN folderDevice INTEGER;
                    ALTER TABLE mapping ADD COLUMN folderInode INTEGER;
                    """)
        }
        migrator.registerMigration("5 totals of what was delivered") { database in
            try database.execute(sql: totals)
        }
        migrator.registerMigration("6 registrations that were posted twice") { database in
            try database.execute(sql: secondLooks)
        }
        migrator.registerMigration("7 facts of a content by index") { database in
            try database.execute(sql: versionFacts)
        }
        migrator.registerMigration("8 repeated journal lines") { database in
            // How often the same was said in a row that fails again and again, and when last, in milliseconds.
            try database.execute(
                sql: """
                    ALTER TABLE journal ADD COLUMN times INTEGER NOT NULL DEFAULT 1 CHECK (times >= 1);
                    ALTER TABLE journal ADD COLUMN last INTEGER;
                    """)
        }
        migrator.registerMigration("9 which directory a file was in") { database in
            try database.execute(sql: rootsOfDeliveries)
        }
        migrator.registerMigration("10 what was noticed when") { database in
            try database.execute(sql: notices)
        }
        migrator.registerMigration("11 numbers of file systems") { database in
            try database.execute(sql: fileSystems)
        }
        migrator.registerMigration("12 files that are rewritten while they settle") { database in
            try database.execute(sql: rewrites)
        }
        return migrator
    }

    /// Times are milliseconds since 1970: looks outlast restarts.
    private static let secondLooks = """
        CREATE TABLE secondLook (
            delivery INTEGER PRIMARY KEY REFERENCES delivery (id) ON DELETE CASCADE,
            newestReleased TEXT,
            until INTEGER NOT NULL,
            due INTEGER NOT NULL,
            looks INTEGER NOT NULL DEFAULT 0
        ) STRICT;
        CREATE INDEX secondLookByDue ON secondLook (due);

        -- Uploads of one delivery beside its own, found by a second look.
        CREATE TABLE twin (
            delivery INTEGER NOT NULL REFERENCES delivery (id) ON DELETE CASCADE,
            uri TEXT NOT NULL,
            name TEXT NOT NULL,
            version TEXT NOT NULL,
            found INTEGER NOT NULL,
            -- Why it is still there; NULL once it was removed.
            standing TEXT,
            PRIMARY KEY (delivery, uri)
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX twinStanding ON twin (found) WHERE standing IS NOT NULL;
        """

    /// What was delivered in all, without what was found on its table: `status` asks every second, and adding up a
    /// million rows takes longer. `min` keeps a sum that no longer fits from becoming a float.
    private static let totals = """
        CREATE TABLE deliveredTotal (
            mapping INTEGER PRIMARY KEY REFERENCES mapping (id),
            files INTEGER NOT NULL,
            bytes INTEGER NOT NULL
        ) STRICT;

        INSERT INTO deliveredTotal
            SELECT d.mapping, count(*), CAST(min(total(d.contentSize), 9e18) AS INTEGER)
            FROM receipt AS r JOIN delivery AS d ON d.id = r.delivery
            WHERE json_extract(r.line, '$.adopted') = 0
            GROUP BY d.mapping;

        CREATE TRIGGER receiptTotalled AFTER INSERT ON receipt
        WHEN json_extract(NEW.line, '$.adopted') = 0
        BEGIN
            INSERT INTO deliveredTotal
                SELECT mapping, 1, ifnull(contentSize, 0) FROM delivery WHERE id = NEW.delivery
                ON CONFLICT (mapping) DO UPDATE SET files = files + 1,
                    bytes = min(bytes + excluded.bytes, 9000000000000000000);
        END;
        """

    private static let version1Tables = """
        CREATE TABLE meta (
            key TEXT PRIMARY KEY NOT NULL,
            value TEXT NOT NULL
        ) STRICT, WITHOUT ROWID;

        CREATE TABLE mapping (
            id INTEGER PRIMARY KEY,
            name TEXT NOT NULL UNIQUE CHECK (name <> ''),
            existing TEXT NOT NULL DEFAULT 'open' CHECK (existing IN ('open', 'closed')),
            -- What decides which files the mapping takes; when it changes, ignored files are looked at again.
            rules TEXT
        ) STRICT;

        -- Table references as the mapping file wrote them, as JSON.
        CREATE TABLE destination (
            id INTEGER PRIMARY KEY,
            reference TEXT NOT NULL UNIQUE
        ) STRICT;

        -- Tables as Redivis calls them, and how far their uploads are known.
        CREATE TABLE remoteTable (
            id INTEGER PRIMARY KEY,
            key TEXT NOT NULL UNIQUE,
            isComplete INTEGER NOT NULL DEFAULT 0 CHECK (isComplete IN (0, 1)),
            newestReleased TEXT,
            gate TEXT NOT NULL DEFAULT 'closed' CHECK (gate IN ('open', 'closed'))
        ) STRICT;

        -- One row a path: the last observation that was accepted, and the delivery that the path belongs to now.
        -- No observation: the next look finds the file changed, whatever it is.
        CREATE TABLE file (
            id INTEGER PRIMARY KEY,
            mapping INTEGER NOT NULL REFERENCES mapping (id),
            path BLOB NOT NULL CHECK (length(path) > 0),
            device INTEGER,
            inode INTEGER,
            size INTEGER,
            modified INTEGER,
            changed INTEGER,
            links INTEGER NOT NULL DEFAULT 1,
            delivery INTEGER REFERENCES delivery (id),
            UNIQUE (mapping, path),
            CHECK ((device IS NULL) = (inode IS NULL) AND (device IS NULL) = (size IS NULL)
                AND (device IS NULL) = (modified IS NULL) AND (device IS NULL) = (changed IS NULL))
        ) STRICT;

        -- One row a file version. AUTOINCREMENT: a number that was once seen never names another delivery.
        CREATE TABLE delivery (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            mapping INTEGER NOT NULL REFERENCES mapping (id),
            file INTEGER NOT NULL REFERENCES file (id),
            destination INTEGER NOT NULL REFERENCES destination (id),
            remoteTable INTEGER REFERENCES remoteTable (id),
            nameBase BLOB NOT NULL,
            isExisting INTEGER NOT NULL CHECK (isExisting IN (0, 1)),
            device INTEGER NOT NULL,
            inode INTEGER NOT NULL,
            size INTEGER NOT NULL CHECK (size >= 0),
            modified INTEGER NOT NULL,
            changed INTEGER NOT NULL,
            contentSize INTEGER CHECK (contentSize >= 0),
            sha256 BLOB CHECK (length(sha256) = 32),
            md5 BLOB CHECK (length(md5) = 16),
            uploadName TEXT CHECK (uploadName <> ''),
            state TEXT NOT NULL CHECK (json_valid(state)),
            stateFormat INTEGER NOT NULL CHECK (stateFormat >= 1),
            kind TEXT NOT NULL CHECK (kind IN (
                'pending', 'opening', 'transferring', 'probing', 'concluding', 'lookingUp', 'posting', 'importing',
                'withdrawing', 'delivered', 'held', 'parked', 'gone', 'superseded', 'ignored', 'forgotten')),
            public TEXT NOT NULL CHECK (public IN (
                'queued', 'uploading', 'registering', 'importing', 'waiting', 'delivered', 'held', 'parked', 'gone',
                'superseded', 'ignored')),
            -- 1 to be done now, 2 waits, 3 imports, 4 waits out a failure, NULL nothing to do.
            work INTEGER CHECK (work BETWEEN 1 AND 4),
            -- Monotonic nanoseconds of this run.
            due INTEGER CHECK (due >= 0),
            tally TEXT NOT NULL CHECK (json_valid(tally)),
            revision INTEGER NOT NULL DEFAULT 0,
            -- Milliseconds since 1970.
            created INTEGER NOT NULL,
            updated INTEGER NOT NULL,
            CHECK ((work IS NULL) = (due IS NULL)),
            CHECK ((sha256 IS NULL) = (md5 IS NULL) AND (sha256 IS NULL) = (contentSize IS NULL)
                AND (sha256 IS NULL) = (uploadName IS NULL)),
            CHECK (sha256 IS NULL OR remoteTable IS NOT NULL),
            -- Nothing is posted whose content is not known.
            CHECK (sha256 IS NOT NULL
                OR kind NOT IN ('lookingUp', 'posting', 'importing', 'withdrawing', 'delivered'))
        ) STRICT;

        -- Files on their way to being settled.
        CREATE TABLE settling (
            id INTEGER PRIMARY KEY,
            mapping INTEGER NOT NULL REFERENCES mapping (id),
            path BLOB NOT NULL CHECK (length(path) > 0),
            device INTEGER NOT NULL,
            inode INTEGER NOT NULL,
            size INTEGER NOT NULL,
            modified INTEGER NOT NULL,
            changed INTEGER NOT NULL,
            quietRun INTEGER NOT NULL,
            quietSince INTEGER NOT NULL,
            due INTEGER NOT NULL,
            isExisting INTEGER NOT NULL CHECK (isExisting IN (0, 1)),
            UNIQUE (mapping, path)
        ) STRICT;

        -- One line for each step. A line outlives a row that was given up: it then belongs to the path alone.
        CREATE TABLE journal (
            id INTEGER PRIMARY KEY,
            file INTEGER NOT NULL REFERENCES file (id),
            delivery INTEGER REFERENCES delivery (id) ON DELETE SET NULL,
            at INTEGER NOT NULL,
            note TEXT NOT NULL
        ) STRICT;

        CREATE TABLE receipt (
            seq INTEGER PRIMARY KEY,
            delivery INTEGER NOT NULL REFERENCES delivery (id),
            at INTEGER NOT NULL,
            line TEXT NOT NULL CHECK (json_valid(line)),
            hash BLOB NOT NULL CHECK (length(hash) = 32)
        ) STRICT;

        -- Uploads as last listed. `seen` orders names by when they were first met, over all versions; a row that a
        -- listing did not confirm stays as the memory of that.
        CREATE TABLE remoteUpload (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            remoteTable INTEGER NOT NULL REFERENCES remoteTable (id),
            version TEXT NOT NULL CHECK (version <> ''),
            uri TEXT NOT NULL,
            name TEXT NOT NULL,
            status TEXT NOT NULL CHECK (status IN ('inProgress', 'completed', 'failed')),
            words TEXT,
            size INTEGER,
            md5 BLOB,
            isTagged INTEGER NOT NULL CHECK (isTagged IN (0, 1)),
            seen INTEGER NOT NULL,
            generation INTEGER NOT NULL,
            isPresent INTEGER NOT NULL CHECK (isPresent IN (0, 1)),
            UNIQUE (remoteTable, version, uri),
            CHECK ((status = 'failed') = (words IS NOT NULL))
        ) STRICT;

        CREATE TABLE listing (
            remoteTable INTEGER NOT NULL REFERENCES remoteTable (id),
            version TEXT NOT NULL,
            generation INTEGER NOT NULL,
            PRIMARY KEY (remoteTable, version)
        ) STRICT, WITHOUT ROWID;

        -- How far (`remoteUpload.seen`) a table's uploads were there before the mapping's first delivery.
        CREATE TABLE baseline (
            mapping INTEGER NOT NULL REFERENCES mapping (id),
            remoteTable INTEGER NOT NULL REFERENCES remoteTable (id),
            upTo INTEGER NOT NULL,
            PRIMARY KEY (mapping, remoteTable)
        ) STRICT, WITHOUT ROWID;

        -- Each upload adopts at most one file.
        CREATE TABLE adoption (
            remoteTable INTEGER NOT NULL REFERENCES remoteTable (id),
            name TEXT NOT NULL,
            md5 BLOB NOT NULL,
            size INTEGER NOT NULL,
            delivery INTEGER NOT NULL UNIQUE REFERENCES delivery (id) ON DELETE CASCADE,
            PRIMARY KEY (remoteTable, name, md5, size)
        ) STRICT, WITHOUT ROWID;

        CREATE TABLE apiFact (
            api TEXT PRIMARY KEY NOT NULL,
            endpoint TEXT NOT NULL
        ) STRICT, WITHOUT ROWID;

        -- How many rows are in which state, kept by triggers, so that asking costs nothing with millions of rows.
        -- 0 stands for no destination and no work.
        CREATE TABLE rowCount (
            mapping INTEGER NOT NULL REFERENCES mapping (id),
            destination INTEGER NOT NULL,
            state TEXT NOT NULL,
            work INTEGER NOT NULL,
            count INTEGER NOT NULL,
            PRIMARY KEY (mapping, destination, state, work)
        ) STRICT, WITHOUT ROWID;
        """

    private static let version1Indexes = """
        CREATE INDEX fileByInode ON file (device, inode) WHERE device IS NOT NULL;
        CREATE INDEX fileByDelivery ON file (delivery) WHERE delivery IS NOT NULL;

        -- Once means once per table, upload name and content.
        CREATE UNIQUE INDEX deliveryOnce ON delivery (remoteTable, uploadName, sha256, contentSize)
            WHERE uploadName IS NOT NULL;
        -- A path has at most one version whose content is not known.
        CREATE UNIQUE INDEX deliveryProvisional ON delivery (file) WHERE sha256 IS NULL;
        CREATE INDEX deliveryByFile ON delivery (file);
        CREATE INDEX deliveryByInode ON delivery (device, inode);
        CREATE INDEX deliveryByWork ON delivery (work, destination, due) WHERE work IS NOT NULL;
        CREATE INDEX deliveryByState ON delivery (mapping, public);

        CREATE INDEX settlingByDue ON settling (due);
        CREATE INDEX settlingByInode ON settling (device, inode);

        CREATE INDEX journalByDelivery ON journal (delivery) WHERE delivery IS NOT NULL;
        CREATE INDEX journalOfPath ON journal (file);

        CREATE INDEX receiptByDelivery ON receipt (delivery);
        CREATE INDEX receiptByTime ON receipt (at);

        CREATE INDEX remoteUploadByName ON remoteUpload (remoteTable, name);
        CREATE INDEX remoteUploadByDigest ON remoteUpload (remoteTable, md5) WHERE md5 IS NOT NULL;
        CREATE INDEX remoteUploadByTag ON remoteUpload (remoteTable, isTagged, seen);
        """

    private static let version1Triggers = """
        CREATE TRIGGER deliveryContentStays
        BEFORE UPDATE OF sha256, contentSize, md5, uploadName, remoteTable ON delivery
        WHEN OLD.sha256 IS NOT NULL AND NEW.sha256 IS NOT NULL AND (
            OLD.sha256 IS NOT NEW.sha256 OR OLD.contentSize IS NOT NEW.contentSize OR OLD.md5 IS NOT NEW.md5
            OR OLD.uploadName IS NOT NEW.uploadName OR OLD.remoteTable IS NOT NEW.remoteTable)
        BEGIN
            SELECT RAISE (ABORT, 'the content, upload name and table of a delivery stay');
        END;

        -- What ended unsent may come back with the very observation that was accepted (a folder moved away and back, a
        -- hard link that still holds the content): the next scan looks at its paths again.
        CREATE TRIGGER deliveryEndedUnsent AFTER UPDATE OF kind ON delivery
        WHEN NEW.kind IN ('gone', 'superseded') AND OLD.kind <> NEW.kind
        BEGIN
            UPDATE file SET device = NULL, inode = NULL, size = NULL, modified = NULL, changed = NULL
                WHERE delivery = NEW.id;
        END;

        CREATE TRIGGER deliveryCounted AFTER INSERT ON delivery
        BEGIN
            INSERT INTO rowCount VALUES (NEW.mapping, NEW.destination, NEW.public, ifnull(NEW.work, 0), 1)
                ON CONFLICT DO UPDATE SET count = count + 1;
        END;

        CREATE TRIGGER deliveryUncounted AFTER DELETE ON delivery
        BEGIN
            UPDATE rowCount SET count = count - 1
                WHERE mapping = OLD.mapping AND destination = OLD.destination AND state = OLD.public
                    AND work = ifnull(OLD.work, 0);
        END;

        CREATE TRIGGER deliveryRecounted AFTER UPDATE OF mapping, destination, public, work ON delivery
        WHEN OLD.mapping <> NEW.mapping OR OLD.destination <> NEW.destination OR OLD.public <> NEW.public
            OR OLD.work IS NOT NEW.work
        BEGIN
            UPDATE rowCount SET count = count - 1
                WHERE mapping = OLD.mapping AND destination = OLD.destination AND state = OLD.public
                    AND work = ifnull(OLD.work, 0);
            INSERT INTO rowCount VALUES (NEW.mapping, NEW.destination, NEW.public, ifnull(NEW.work, 0), 1)
                ON CONFLICT DO UPDATE SET count = count + 1;
        END;

        CREATE TRIGGER settlingCounted AFTER INSERT ON settling
        BEGIN
            INSERT INTO rowCount VALUES (NEW.mapping, 0, 'settling', 0, 1)
                ON CONFLICT DO UPDATE SET count = count + 1;
        END;

        CREATE TRIGGER settlingUncounted AFTER DELETE ON settling
        BEGIN
            UPDATE rowCount SET count = count - 1
                WHERE mapping = OLD.mapping AND destination = 0 AND state = 'settling' AND work = 0;
        END;
        """
}
