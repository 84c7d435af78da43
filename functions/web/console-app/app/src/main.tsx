import { render } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { credentials, keepCredentials, type Credentials } from './api';
import { FormDialog } from './components';
import { Orders } from './orders';
import './style.css';

const KINDS: [string, string][] = [['key', 'API key'], ['token', 'Token (JWT)'], ['none', 'None: sign out']];

function Console() {
  const [hash, setHash] = useState(location.hash);
  const [asks, setAsks] = useState(false);
  const [signedIn, setSignedIn] = useState(0);
  useEffect(() => {
    const changed = () => setHash(location.hash);
    addEventListener('hashchange', changed);
    return () => removeEventListener('hashchange', changed);
  }, []);
  return (
    <>
      <header class="row">
        <a href="#/orders">Orders</a>
        <button type="button" onClick={() => setAsks(true)}>{credentials().kind === 'none' ? 'Sign in' : 'Change sign-in'}</button>
      </header>
      <Orders hash={hash} signedIn={signedIn} />
      {asks && (
        <FormDialog
          title="Sign in"
          explanation="The key or token is kept in this tab until you close it."
          fields={[
            { name: 'kind', label: 'Kind', choices: KINDS },
            { name: 'secret', label: 'Key or token', type: 'password' },
          ]}
          confirm="Sign in"
          keep="Close"
          send={async ({ kind, secret }) => {
            keepCredentials({ kind: kind as Credentials['kind'], secret: secret ?? '' });
            setSignedIn((count) => count + 1);
          }}
          close={() => setAsks(false)}
        />
      )}
    </>
  );
}

const place = document.getElementById('console');
if (place) render(<Console />, place);
